use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::cells::Cells;
use super::csv::CsvWriter;
use super::failed::Failed;
use super::json::JsonWriter;
use super::parquet::ParquetWriter;
use crate::error::Error;
use crate::format::FileFormat;
use crate::options::{Options, unescaped};

/// Text that is gathered before it goes to the file, in bytes.
const BUFFER: usize = 64 << 10;

/// What compressing text takes, in bytes: windows, hash chains, pending output.
const DEFLATER: usize = 320 << 10;

/// How rows are made the bytes of a file.
#[derive(Debug, Clone)]
pub(super) enum Encoder {
    Parquet(ParquetWriter),
    Text { lines: Lines, gzip: bool },
}

/// How rows are made lines of text.
#[derive(Debug, Clone)]
pub(super) enum Lines {
    Csv(CsvWriter),
    Json(JsonWriter),
    /// One column as it is, with this behind each row.
    Text(String),
}

impl Encoder {
    /// Text without a time zone is in `time_zone`; `memory` is what the query may hold, in bytes.
    ///
    /// # Errors
    /// If an option is malformed or not supported, or a column cannot be written in this format.
    pub(super) fn new(
        format: FileFormat,
        schema: &SchemaRef,
        options: &Options,
        time_zone: &str,
        memory: u64,
    ) -> Result<Self, Error> {
        let lines = match format {
            FileFormat::Parquet => {
                return ParquetWriter::new(schema, options, memory).map(Encoder::Parquet);
            }
            FileFormat::Csv => Lines::Csv(CsvWriter::new(options, time_zone)?),
            FileFormat::Json => Lines::Json(JsonWriter::new(options, time_zone)?),
            FileFormat::Text => text(options)?,
        };
        refuse_columns(format, schema)?;
        let codec = options.either("compression", "codec").unwrap_or("none");
        let gzip = match codec.to_lowercase().as_str() {
            "none" | "uncompressed" => false,
            "gzip" => true,
            _ => {
                return Err(Error::Option(format!(
                    "the codec {codec} is not available: there are none and gzip"
                )));
            }
        };
        Ok(Encoder::Text { lines, gzip })
    }

    /// The end of the names of files.
    pub(super) fn ending(&self) -> String {
        match self {
            Encoder::Parquet(writer) => format!("{}.parquet", writer.ending),
            Encoder::Text { lines, gzip } => {
                let ending = match lines {
                    Lines::Csv(_) => ".csv",
                    Lines::Json(_) => ".json",
                    Lines::Text(_) => ".txt",
                };
                format!("{ending}{}", if *gzip { ".gz" } else { "" })
            }
        }
    }

    /// What a file holds in memory once rows come to it, about, in bytes.
    pub(super) fn least_memory(&self, schema: &Schema) -> usize {
        match self {
            Encoder::Parquet(writer) => writer.least_memory(schema),
            Encoder::Text { gzip, .. } => BUFFER + if *gzip { DEFLATER } else { 0 },
        }
    }

    /// A new file.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn open(&self, path: &Path, schema: &SchemaRef) -> Result<OpenFile, Failed> {
        let file = BufWriter::new(File::create_new(path)?);
        match self {
            Encoder::Parquet(writer) => {
                let schema = SchemaRef::clone(schema);
                let writer = ArrowWriter::try_new_with_options(file, schema, writer.options());
                Ok(OpenFile::Parquet(Box::new(writer?)))
            }
            Encoder::Text { lines, gzip } => {
                let mut text = String::new();
                if let Lines::Csv(writer) = lines {
                    writer.begin(schema, &mut text);
                }
                let to = match gzip {
                    true => Sink::Gzip(Box::new(GzEncoder::new(file, Compression::default()))),
                    false => Sink::Plain(file),
                };
                let lines = lines.clone();
                Ok(OpenFile::Text(Box::new(TextFile { lines, text, to })))
            }
        }
    }
}

fn text(options: &Options) -> Result<Lines, Error> {
    const WRITE: &[&str] = &["linesep", "encoding", "charset", "compression", "codec"];

    options.warn_of_others("text", &[WRITE, super::COMMON]);
    super::refuse_other_encodings(options)?;
    Ok(Lines::Text(unescaped(
        options.get("linesep").unwrap_or("\n"),
    )))
}

/// As in Spark CSV has no columns of columns or without values, and text one column of strings.
fn refuse_columns(format: FileFormat, schema: &Schema) -> Result<(), Error> {
    if format == FileFormat::Text && schema.fields().len() != 1 {
        return Err(Error::Table(format!(
            "text files have a single column, and there are {}",
            schema.fields().len()
        )));
    }
    for field in schema.fields() {
        let refused = match (format, field.data_type()) {
            (FileFormat::Text, data_type) => *data_type != DataType::Utf8,
            (FileFormat::Csv, data_type) => *data_type == DataType::Null || data_type.is_nested(),
            _ => false,
        };
        if refused {
            return Err(Error::NotSupported(format!(
                "the column {} of the type {} cannot be written to {format} files",
                field.name(),
                crate::types::spark_name(field.data_type())
            )));
        }
    }
    let empty = RecordBatch::new_empty(SchemaRef::new(schema.clone()));
    empty
        .columns()
        .iter()
        .try_for_each(|column| Cells::new(column).map(|_| ()))
}

/// A file that rows are written to.
pub(super) enum OpenFile {
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
    Text(Box<TextFile>),
}

/// A file of lines, with the text that has not gone to it yet.
pub(super) struct TextFile {
    lines: Lines,
    text: String,
    to: Sink,
}

/// Where text goes.
enum Sink {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl OpenFile {
    /// # Errors
    /// If the system refuses, or a value cannot be written.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Failed> {
        match self {
            OpenFile::Parquet(writer) => Ok(writer.write(batch)?),
            OpenFile::Text(file) => file.write(batch),
        }
    }

    /// What it holds in memory, in bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            OpenFile::Parquet(writer) => writer.memory_size(),
            OpenFile::Text(file) => file.memory(),
        }
    }

    /// Lets go of what it holds in memory.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn flush(&mut self) -> Result<(), Failed> {
        match self {
            OpenFile::Parquet(writer) => Ok(writer.flush()?),
            OpenFile::Text(file) => Ok(file.pass_on()?),
        }
    }

    /// Completes the file, and gives its size in bytes.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn finish(self) -> Result<u64, Failed> {
        let mut file = match self {
            OpenFile::Parquet(writer) => writer.into_inner()?,
            OpenFile::Text(mut file) => {
                file.pass_on()?;
                match file.to {
                    Sink::Plain(file) => file,
                    Sink::Gzip(file) => file.finish()?,
                }
            }
        };
        file.flush()?;
        Ok(file.get_ref().metadata()?.len())
    }
}

impl TextFile {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failed> {
        match &self.lines {
            Lines::Csv(writer) => writer.write(batch, &mut self.text)?,
            Lines::Json(writer) => writer.write(batch, &mut self.text)?,
            Lines::Text(separator) => write_lines(batch, separator, &mut self.text)?,
        }
        match self.text.len() {
            ..BUFFER => Ok(()),
            _ => Ok(self.pass_on()?),
        }
    }

    fn memory(&self) -> usize {
        let deflater = match self.to {
            Sink::Plain(_) => 0,
            Sink::Gzip(_) => DEFLATER,
        };
        self.text.capacity() + deflater
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let to: &mut dyn Write = match &mut self.to {
            Sink::Plain(file) => file,
            Sink::Gzip(file) => file,
        };
        to.write_all(self.text.as_bytes())?;
        self.text.clear();
        self.text.shrink_to(BUFFER);
        Ok(())
    }
}

fn write_lines(batch: &RecordBatch, separator: &str, to: &mut String) -> Result<(), Error> {
    if let Cells::Text(array) = Cells::new(batch.column(0))? {
        for value in array {
            to.push_str(value.unwrap_or_default());
            to.push_str(separator);
        }
    }
    Ok(())
}
