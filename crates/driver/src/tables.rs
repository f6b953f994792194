use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::format::FileFormat;

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
