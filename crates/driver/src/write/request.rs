use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Error;
use crate::format::FileFormat;
use crate::source::local_path;

/// What a write does about what is at its path already: Spark's `SaveMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveMode {
    /// It fails.
    #[default]
    ErrorIfExists,
    /// It adds files to those that are there.
    Append,
    /// Its files take the place of those that are there, once they are complete.
    Overwrite,
    /// It does nothing.
    Ignore,
}

/// What a write makes at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// A directory of part files with the mark `_SUCCESS`, as Spark's `DataFrameWriter` makes.
    #[default]
    Directory,
    /// One file of that name.
    File,
}

/// Where and how rows are written: Spark's
/// `df.write.format(…).mode(…).partitionBy(…).options(…).save(path)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRequest {
    /// The format of the files.
    pub format: FileFormat,
    /// Where they are put, as a path or a `file:` URL.
    pub path: String,
    /// Whether that is a directory or one file.
    pub target: Target,
    /// What is done about what is there already.
    pub mode: SaveMode,
    /// The columns whose values become `key=value` directories.
    pub partition_by: Vec<String>,
    /// Spark's data source options; their keys count in any case.
    pub options: BTreeMap<String, String>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows in all files.
    pub rows: u64,
    /// Files with rows in them, and those that tell the columns of none.
    pub files: u64,
    /// The size of these files.
    pub bytes: u64,
    /// Whether nothing was done since there was something at the path already: [`SaveMode::Ignore`].
    pub is_ignored: bool,
}

/// Endings of files of text whose format has to be said.
const TEXT_ENDINGS: [&str; 3] = ["txt", "text", "tsv"];

/// Endings of compressed files that are read, and not written.
const UNWRITTEN: [&str; 3] = ["bz2", "zst", "xz"];

impl WriteRequest {
    /// What `COPY … TO` writes: the format is told by the path's name if it is not given, and a name with
    /// the ending of a file is one file, unless there are partitions. CSV files have a header unless the
    /// option says otherwise, as `--tables` and other engines expect of them.
    ///
    /// # Errors
    /// If nothing tells the format, the name of one file tells another format or compression than what is asked for, or
    /// a compression that cannot be written.
    pub fn copy_to(
        path: &str,
        format: Option<FileFormat>,
        mode: SaveMode,
        partition_by: Vec<String>,
        mut options: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let told = format.or_else(|| FileFormat::of_file_name(path));
        let format = told.ok_or_else(|| {
            Error::NotSupported(format!(
                "the name {path} tells no format: end it with .parquet, .csv or .json, or say one: COPY … TO '{path}' (FORMAT parquet)"
            ))
        })?;
        let is_file = partition_by.is_empty()
            && names_a_file(path)
            && !(mode == SaveMode::Append && local_path(path)?.is_dir());
        let has = |options: &BTreeMap<String, String>, keys: &[&str]| {
            let mut set = options.keys();
            set.any(|set| keys.iter().any(|key| set.eq_ignore_ascii_case(key)))
        };
        if is_file {
            refuse_unwritten(path, format)?;
            refuse_other_format(path, format)?;
            let is_zipped = ending(path).is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
            let has_codec = has(&options, &["compression", "codec"]);
            if has_codec && format != FileFormat::Parquet {
                refuse_other_codec(path, is_zipped, &options)?;
            } else if is_zipped {
                options.insert("compression".to_owned(), "gzip".to_owned());
            }
        }
        if format == FileFormat::Csv && !has(&options, &["header"]) {
            options.insert("header".to_owned(), "true".to_owned());
        }
        Ok(Self {
            format,
            path: path.to_owned(),
            target: match is_file {
                true => Target::File,
                false => Target::Directory,
            },
            mode,
            partition_by,
            options,
        })
    }
}

fn ending(path: &str) -> Option<&str> {
    Path::new(path).extension()?.to_str()
}

/// Whether the name has the ending of a file. One that ends with a slash is a directory's.
fn names_a_file(path: &str) -> bool {
    if path.ends_with('/') {
        return false;
    }
    let is_text = |path: &str| {
        let ending = ending(path);
        ending.is_some_and(|ending| TEXT_ENDINGS.contains(&ending.to_lowercase().as_str()))
    };
    let without_gz = path.strip_suffix(".gz").unwrap_or(path);
    FileFormat::of_file_name(path).is_some() || is_text(without_gz)
}

fn refuse_unwritten(path: &str, format: FileFormat) -> Result<(), Error> {
    let ending = ending(path).unwrap_or_default().to_lowercase();
    if format == FileFormat::Parquet && ending == "gz" {
        return Err(Error::NotSupported(format!(
            "{path}: Parquet files are compressed within; leave .gz out of the name, and say COMPRESSION gzip if you want it"
        )));
    }
    if UNWRITTEN.contains(&ending.as_str()) {
        return Err(Error::NotSupported(format!(
            "{path}: files compressed as .{ending} are read and not written; write .gz, or leave it out"
        )));
    }
    Ok(())
}

/// Whoever reads the file goes by its name.
fn refuse_other_format(path: &str, format: FileFormat) -> Result<(), Error> {
    match FileFormat::of_file_name(path) {
        Some(named) if named != format => Err(Error::NotSupported(format!(
            "the name {path} is that of a {named} file, and {format} was asked for: give it another ending, leave the format out, or end the path with / for a directory of that name"
        ))),
        _ => Ok(()),
    }
}

fn refuse_other_codec(
    path: &str,
    is_zipped: bool,
    options: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut set = options.iter();
    let codec = set.find(|(key, _)| ["compression", "codec"].contains(&&*key.to_lowercase()));
    let codec = codec.map_or(String::new(), |(_, codec)| codec.to_lowercase());
    match (is_zipped, codec.as_str()) {
        (false, "gzip") => Err(Error::NotSupported(format!(
            "{path}: whoever reads a file that is compressed with gzip goes by its name: end it with .gz"
        ))),
        (true, "none" | "uncompressed") => Err(Error::NotSupported(format!(
            "{path}: the ending .gz says that the file is compressed, and the option compression says that it is not: leave out one of the two"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_says_something_else_than_the_options_is_refused() {
        use FileFormat::{Csv, Parquet};
        for (path, format, codec, is_taken) in [
            ("x.parquet", Csv, None, false),
            ("x.csv.gz", Parquet, None, false),
            ("x.txt", Csv, None, true),
            ("x.parquet/", Csv, None, true),
            ("x.csv", Csv, Some("GZIP"), false),
            ("x.csv.gz", Csv, Some("none"), false),
            ("x.csv.gz", Csv, Some("gzip"), true),
            ("x.csv", Csv, Some("none"), true),
            ("x.parquet", Parquet, Some("gzip"), true),
        ] {
            let codec = codec.map(|codec| ("compression".to_owned(), codec.to_owned()));
            let options = codec.into_iter().collect();
            let mode = SaveMode::Overwrite;
            let request = WriteRequest::copy_to(path, Some(format), mode, Vec::new(), options);
            assert_eq!(request.is_ok(), is_taken, "{path}: {request:?}");
        }
    }

    fn copy_to(path: &str, partition_by: &[&str]) -> Result<WriteRequest, Error> {
        let partition_by = partition_by.iter().map(ToString::to_string).collect();
        WriteRequest::copy_to(
            path,
            None,
            SaveMode::ErrorIfExists,
            partition_by,
            BTreeMap::new(),
        )
    }

    #[test]
    fn the_name_tells_the_format_and_whether_it_is_one_file() {
        let file = copy_to("/x/a.b.CSV.gz", &[]).unwrap();
        assert_eq!((file.format, file.target), (FileFormat::Csv, Target::File));
        assert_eq!(file.options["compression"], "gzip");
        assert_eq!(file.options["header"], "true");
        for (path, partition_by) in [("x.parquet/", &[][..]), ("x.parquet", &["k"])] {
            let directory = copy_to(path, partition_by);
            match path.ends_with('/') {
                // What a directory is called tells nothing.
                true => assert!(directory.is_err()),
                false => assert_eq!(directory.unwrap().target, Target::Directory),
            }
        }
    }

    #[test]
    fn a_name_that_cannot_be_kept_to_is_refused() {
        for (path, says) in [
            ("out", "tells no format"),
            ("x.txt", "tells no format"),
            ("x.parquet.gz", "compressed within"),
            ("x.csv.zst", "write .gz"),
        ] {
            let error = copy_to(path, &[]).unwrap_err().to_string();
            assert!(error.contains(says), "{path}: {error}");
        }
    }
}
