use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};

use crate::error::Error;
use crate::format::{FileFormat, ReadOptions};

/// A table found in a directory by [`discover`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The table's name: the file's without its ending, or the folder's, in lower case.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) format: FileFormat,
}

/// The tables of a directory: each Parquet, CSV or JSON file in it, and each folder of such files.
///
/// # Errors
/// If the directory cannot be read, holds no table, or holds two of one name.
pub(crate) fn discover(directory: &Path) -> Result<Vec<Found>, Error> {
    let wrong = |what: String| Error::Table(format!("--tables {}: {what}", directory.display()));
    let entries = sorted_entries(directory).map_err(|error| {
        wrong(format!(
            "{error}. Name a directory that holds Parquet, CSV or JSON files, or folders of them"
        ))
    })?;
    let mut tables: BTreeMap<String, Found> = BTreeMap::new();
    for path in entries.iter().filter(|path| !is_hidden(path)) {
        let Some(format) = format_of(path) else {
            continue;
        };
        let name = table_name(path);
        let found = Found {
            name: name.clone(),
            path: path.clone(),
            format,
        };
        if let Some(other) = tables.insert(name.clone(), found) {
            return Err(wrong(format!(
                "{} and {} would both be the table {name}; move or rename one",
                other.path.display(),
                path.display()
            )));
        }
    }
    if tables.is_empty() {
        return Err(wrong(
            "there is no Parquet, CSV or JSON file in it, nor a folder of them".to_owned(),
        ));
    }
    Ok(tables.into_values().collect())
}

fn sorted_entries(directory: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect()
}

/// Files and folders that Spark does not read either: `_SUCCESS`, `.crc` and the like.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_none_or(|name| name.starts_with(['.', '_']))
}

fn table_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = match path.is_dir() {
        true => &name,
        false => name.split('.').next().unwrap_or(&name),
    };
    stem.to_lowercase()
}

/// The format of a file by its ending, or of a folder by the first file anywhere in it.
fn format_of(path: &Path) -> Option<FileFormat> {
    if path.is_file() {
        return FileFormat::of_file_name(&path.to_string_lossy());
    }
    let entries = sorted_entries(path).ok()?;
    entries
        .iter()
        .filter(|entry| !is_hidden(entry))
        .find_map(|entry| format_of(entry))
}

/// A table over the files at `path`: a file, a directory (with `key=value` folders as partition
/// columns) or a glob pattern.
///
/// # Errors
/// If there is nothing to read at `path`, or it is not of this format.
pub(crate) async fn open(
    state: &dyn Session,
    path: &str,
    format: FileFormat,
    options: &ReadOptions,
) -> Result<Arc<dyn TableProvider>, Error> {
    let wrong = |what: String| Error::Table(format!("cannot read {path} as {format}: {what}"));
    let url = ListingTableUrl::parse(path).map_err(|error| wrong(error.strip_backtrace()))?;
    let first = first_file(state, &url, path, format).await?;
    let compression = compression_of(&first);
    let listing = ListingOptions::new(options.reader(format, compression))
        .with_file_extension(extension(&first, format, compression));
    let mut config = ListingTableConfig::new(url).with_listing_options(listing);
    config = config
        .infer_schema(state)
        .await
        .map_err(|error| wrong(error.strip_backtrace()))?;
    if format == FileFormat::Csv {
        config = options.schema_as_in_spark(config);
    }
    config = config
        .infer_partitions_from_path(state)
        .await
        .map_err(|error| wrong(error.strip_backtrace()))?;
    let table = ListingTable::try_new(config).map_err(|error| wrong(error.strip_backtrace()))?;
    Ok(Arc::new(table))
}

/// The name of the first file at the place, for its ending.
async fn first_file(
    state: &dyn Session,
    url: &ListingTableUrl,
    path: &str,
    format: FileFormat,
) -> Result<String, Error> {
    use futures::TryStreamExt;

    let missing = || {
        Error::Table(format!(
            "there is no {format} file at {path}: check the path; a directory needs files that end in .{}",
            format.endings().join(" or .")
        ))
    };
    let store = state.runtime_env().object_store(url).map_err(|error| {
        Error::Table(format!("cannot read {path}: {}", error.strip_backtrace()))
    })?;
    let mut files = url
        .list_all_files(state, store.as_ref(), "")
        .await
        .map_err(|_| missing())?;
    while let Some(file) = files.try_next().await.map_err(|_| missing())? {
        let name = file.location.to_string();
        // A single file is taken at its word, whatever its ending; in a directory endings decide.
        if !url.is_collection() || FileFormat::of_file_name(&name) == Some(format) {
            return Ok(name);
        }
    }
    Err(missing())
}

fn compression_of(file: &str) -> FileCompressionType {
    match file.rsplit('.').next() {
        Some("gz") => FileCompressionType::GZIP,
        Some("bz2") => FileCompressionType::BZIP2,
        Some("zst") => FileCompressionType::ZSTD,
        Some("xz") => FileCompressionType::XZ,
        _ => FileCompressionType::UNCOMPRESSED,
    }
}

/// The ending by which the files of a directory are told from what else is in it.
fn extension(first: &str, format: FileFormat, compression: FileCompressionType) -> String {
    let ending = format
        .endings()
        .iter()
        .find(|ending| first.contains(&format!(".{ending}")))
        .unwrap_or(&format.endings()[0]);
    let compressed = match compression {
        _ if format == FileFormat::Parquet => None,
        FileCompressionType::UNCOMPRESSED => None,
        _ => first.rsplit('.').next(),
    };
    match compressed {
        Some(compressed) => format!(".{ending}.{compressed}"),
        None => format!(".{ending}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_and_each_folder_of_files_is_a_table() {
        let root = tempfile::tempdir().unwrap();
        let touch = |path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for path in [
            "Orders.parquet",
            "events/_SUCCESS",
            "events/day=1/part-0.json.gz",
            "notes.txt",
            "_temporary/x.csv",
            "prices.v2.csv",
        ] {
            touch(path);
        }
        let found: Vec<(String, FileFormat)> = discover(root.path())
            .unwrap()
            .into_iter()
            .map(|table| (table.name, table.format))
            .collect();
        assert_eq!(
            found,
            [
                ("events".to_owned(), FileFormat::Json),
                ("orders".to_owned(), FileFormat::Parquet),
                ("prices".to_owned(), FileFormat::Csv),
            ]
        );
        touch("orders/part.csv");
        let error = discover(root.path()).unwrap_err().to_string();
        assert!(error.contains("both be the table orders"), "{error}");
    }

    #[test]
    fn a_directory_without_tables_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let error = discover(root.path()).unwrap_err().to_string();
        assert!(error.contains("no Parquet, CSV or JSON file"), "{error}");
        assert!(discover(&root.path().join("absent")).is_err());
    }
}
