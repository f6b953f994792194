use std::collections::BTreeSet;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;

use super::columns::leaves;
use crate::error::Error;
use crate::options::Options;
use crate::types::spark_name;

const WRITE: &[&str] = &["compression", "codec", "parquet.compression"];

/// What a column of an open file takes for its dictionary before the first value, about, in bytes.
const DICTIONARY: usize = 80 << 10;

/// What it takes without a dictionary, about.
const PLAIN: usize = 4 << 10;

/// How Parquet files are written.
#[derive(Debug, Clone)]
pub(super) struct ParquetWriter {
    compression: Compression,
    dictionaries: bool,
    /// What file names have between their number and `.parquet`.
    pub(super) ending: &'static str,
}

impl ParquetWriter {
    /// `memory` is what the query may hold, in bytes. If the dictionaries of one file would be a large part of
    /// it, files go without.
    ///
    /// # Errors
    /// If an option is malformed, or two columns have one name, or one cannot be written.
    pub(super) fn new(schema: &Schema, options: &Options, memory: u64) -> Result<Self, Error> {
        options.warn_of_others("Parquet", &[WRITE, super::COMMON]);
        let mut names = BTreeSet::new();
        for field in schema.fields() {
            if !names.insert(field.name().to_lowercase()) {
                return Err(Error::ColumnExists(field.name().to_lowercase()));
            }
            if let Some(data_type) = unwritable(field.data_type()) {
                return Err(Error::NotSupported(format!(
                    "the column {} of the type {} cannot be written to Parquet files",
                    field.name(),
                    spark_name(data_type)
                )));
            }
        }
        let name = options
            .either("compression", "parquet.compression")
            .unwrap_or("snappy");
        let (compression, ending) = match name.to_lowercase().as_str() {
            "none" | "uncompressed" => (Compression::UNCOMPRESSED, ""),
            "snappy" => (Compression::SNAPPY, ".snappy"),
            "gzip" => (Compression::GZIP(Default::default()), ".gz"),
            "zstd" => (Compression::ZSTD(Default::default()), ".zstd"),
            "lz4_raw" => (Compression::LZ4_RAW, ".lz4raw"),
            _ => {
                return Err(Error::Option(format!(
                    "the codec {name} is not available: there are none, snappy, gzip, zstd and lz4_raw"
                )));
            }
        };
        Ok(Self {
            compression,
            dictionaries: (leaves(schema) * DICTIONARY) as u64 <= memory / 8,
            ending,
        })
    }

    /// What a file holds in memory once rows come to it, about, in bytes.
    pub(super) fn least_memory(&self, schema: &Schema) -> usize {
        let column = match self.dictionaries {
            true => DICTIONARY,
            false => PLAIN,
        };
        leaves(schema) * column
    }

    /// The names and types are those that other readers know from Parquet's own description, which is why
    /// Arrow's is left out.
    pub(super) fn options(&self) -> ArrowWriterOptions {
        let properties = WriterProperties::builder()
            .set_compression(self.compression)
            .set_coerce_types(true)
            .set_dictionary_enabled(self.dictionaries)
            .set_created_by("plimsoll".to_owned())
            .build();
        ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true)
    }
}

/// The type, or one within it, that other readers would not read back.
fn unwritable(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Interval(_) | DataType::Duration(_) => Some(data_type),
        DataType::List(item) => unwritable(item.data_type()),
        DataType::Map(entries, _) => unwritable(entries.data_type()),
        DataType::Struct(fields) => fields
            .iter()
            .find_map(|field| unwritable(field.data_type())),
        _ => None,
    }
}
