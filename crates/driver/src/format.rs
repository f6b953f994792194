use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::file_format::FileFormat as Reader;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::ListingTableConfig;

use crate::error::Error;

/// The file formats that can be read as tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values, RFC 4180.
    Csv,
    /// JSON lines: one object a line.
    Json,
}

impl FileFormat {
    /// All formats, by the names Spark has for them.
    pub const ALL: [FileFormat; 3] = [FileFormat::Parquet, FileFormat::Csv, FileFormat::Json];

    /// Spark's name of the format, as in `USING parquet`.
    pub fn name(self) -> &'static str {
        match self {
            FileFormat::Parquet => "parquet",
            FileFormat::Csv => "csv",
            FileFormat::Json => "json",
        }
    }

    /// The format of this name, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// The endings of file names that tell the format; text formats may be compressed (`.csv.gz`).
    pub(crate) fn endings(self) -> &'static [&'static str] {
        match self {
            FileFormat::Parquet => &["parquet"],
            FileFormat::Csv => &["csv"],
            FileFormat::Json => &["json", "jsonl", "ndjson"],
        }
    }

    /// The format that a file's name tells.
    pub(crate) fn of_file_name(name: &str) -> Option<Self> {
        let (_, endings) = name.rsplit('/').next()?.split_once('.')?;
        let mut endings = endings.rsplit('.');
        let mut ending = endings.next()?;
        if ["gz", "bz2", "zst", "xz"].contains(&ending) {
            ending = endings.next()?;
        }
        Self::ALL
            .into_iter()
            .find(|format| format.endings().contains(&ending.to_lowercase().as_str()))
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileFormat::Parquet => "Parquet",
            FileFormat::Csv => "CSV",
            FileFormat::Json => "JSON",
        })
    }
}

/// How text files are to be read, under the names of Spark's data source options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadOptions {
    header: bool,
    infer_schema: bool,
    separator: u8,
    quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    null_value: Option<String>,
    multi_line: bool,
}

impl Default for ReadOptions {
    /// Spark's defaults: no header, every column a string.
    fn default() -> Self {
        Self {
            header: false,
            infer_schema: false,
            separator: b',',
            quote: b'"',
            escape: None,
            comment: None,
            null_value: None,
            multi_line: false,
        }
    }
}

impl ReadOptions {
    /// For files that nobody described, as under `--tables`: a header line, and types from the data.
    pub(crate) fn self_describing() -> Self {
        Self {
            header: true,
            infer_schema: true,
            ..Self::default()
        }
    }

    /// Reads the options of `USING … OPTIONS (…)`, whose keys are in lower case, without `path`.
    ///
    /// # Errors
    /// If one is not an option of this format, or its value is not one.
    pub(crate) fn parse(
        format: FileFormat,
        options: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let mut read = Self::default();
        for (key, value) in options {
            match (format, key.as_str()) {
                (FileFormat::Csv, "header") => read.header = boolean(key, value)?,
                (FileFormat::Csv, "inferschema") => read.infer_schema = boolean(key, value)?,
                (FileFormat::Csv, "sep" | "delimiter") => read.separator = byte(key, value)?,
                (FileFormat::Csv, "quote") => read.quote = byte(key, value)?,
                (FileFormat::Csv, "escape") => read.escape = Some(byte(key, value)?),
                (FileFormat::Csv, "comment") => read.comment = Some(byte(key, value)?),
                (FileFormat::Csv, "nullvalue") => read.null_value = Some(value.clone()),
                (FileFormat::Csv, "multiline") => read.multi_line = boolean(key, value)?,
                _ => return Err(unknown_option(format, key)),
            }
        }
        Ok(read)
    }

    pub(crate) fn reader(
        &self,
        format: FileFormat,
        compression: FileCompressionType,
    ) -> Arc<dyn Reader> {
        match format {
            FileFormat::Parquet => Arc::new(ParquetFormat::default()),
            FileFormat::Json => {
                Arc::new(JsonFormat::default().with_file_compression_type(compression))
            }
            FileFormat::Csv => {
                let reader = CsvFormat::default()
                    .with_has_header(self.header)
                    .with_delimiter(self.separator)
                    .with_quote(self.quote)
                    .with_escape(self.escape)
                    .with_comment(self.comment)
                    .with_newlines_in_values(self.multi_line)
                    .with_null_regex(self.null_value.as_deref().map(exactly))
                    .with_file_compression_type(compression);
                // Without types to be inferred only the number of columns is wanted.
                Arc::new(match self.infer_schema {
                    true => reader,
                    false => reader.with_schema_infer_max_rec(1),
                })
            }
        }
    }

    /// The schema of a CSV file as Spark has it: columns of a file without a header are `_c0`, `_c1`,
    /// …, and all are strings unless types are to be inferred.
    pub(crate) fn schema_as_in_spark(&self, config: ListingTableConfig) -> ListingTableConfig {
        let Some(schema) = config.file_schema.clone() else {
            return config;
        };
        let field = |(at, field): (usize, &Arc<Field>)| {
            let name = match self.header {
                true => field.name().clone(),
                false => format!("_c{at}"),
            };
            let data_type = match self.infer_schema {
                true => field.data_type().clone(),
                false => DataType::Utf8,
            };
            Field::new(name, data_type, true)
        };
        let fields: Vec<Field> = schema.fields().iter().enumerate().map(field).collect();
        config.with_schema(Arc::new(Schema::new(fields)))
    }
}

fn unknown_option(format: FileFormat, key: &str) -> Error {
    let known = match format {
        FileFormat::Csv => {
            "path, header, inferSchema, sep, quote, escape, comment, nullValue and multiLine"
        }
        FileFormat::Parquet | FileFormat::Json => "path",
    };
    Error::NotSupported(format!(
        "{format} files are not read with an option {key}; there are {known}"
    ))
}

fn boolean(key: &str, value: &str) -> Result<bool, Error> {
    value
        .to_lowercase()
        .parse()
        .map_err(|_| Error::Table(format!("the option {key} is true or false, not '{value}'")))
}

fn byte(key: &str, value: &str) -> Result<u8, Error> {
    match value {
        "\\t" => Ok(b'\t'),
        _ => match value.as_bytes() {
            [byte] => Ok(*byte),
            _ => Err(Error::Table(format!(
                "the option {key} is a single ASCII character (or \\t), not '{value}'"
            ))),
        },
    }
}

/// A regular expression for exactly this text.
fn exactly(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| {
            let escape = !c.is_alphanumeric() && c.is_ascii();
            escape.then_some('\\').into_iter().chain(Some(c))
        })
        .collect();
    format!("^{escaped}$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_tells_the_format_compressed_or_not() {
        assert_eq!(FileFormat::of_file_name("a.b.CSV"), Some(FileFormat::Csv));
        assert_eq!(
            FileFormat::of_file_name("x.ndjson.zst"),
            Some(FileFormat::Json)
        );
        assert_eq!(FileFormat::of_file_name("x.gz"), None);
        assert_eq!(FileFormat::of_file_name("a.csv/parquet"), None);
    }

    #[test]
    fn an_option_that_is_not_there_is_named_with_those_that_are() {
        let options = BTreeMap::from([("mergeschema".to_owned(), "true".to_owned())]);
        let error = ReadOptions::parse(FileFormat::Parquet, &options).unwrap_err();
        assert!(error.to_string().contains("mergeschema"), "{error}");
    }

    #[test]
    fn a_null_value_is_meant_literally() {
        assert_eq!(exactly("N/A."), r"^N\/A\.$");
    }
}
