//! Where rows go, and rows on stdout, as they come, in the form that was asked for.

mod delimited;
mod destination;
mod table;

use std::io::{self, Write};

use datafusion::arrow::csv::WriterBuilder as CsvWriterBuilder;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::WriterBuilder as JsonWriterBuilder;
use datafusion::arrow::json::writer::LineDelimited;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::args::Output;
use crate::failure::Failure;

pub use destination::{Choice, ChoiceParser, Destination};

/// Prints the batches of one statement.
pub trait Print {
    /// Prints a batch; it may be kept back until the widths of columns are known.
    fn batch(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> Result<(), PrintError>;

    /// Prints what is left when the last batch has come.
    fn end(&mut self, to: &mut dyn Write) -> Result<(), PrintError>;
}

/// Why rows could not be printed.
#[derive(Debug)]
pub enum PrintError {
    /// Whoever read stdout has gone: `| head` had enough.
    ReaderGone,
    /// Stdout cannot be written to: its disk is full.
    Io(io::Error),
    /// The format cannot hold these values.
    Unprintable(ArrowError),
}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => PrintError::ReaderGone,
            _ => PrintError::Io(error),
        }
    }
}

impl From<ArrowError> for PrintError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => error.into(),
            // The CSV writer wraps what it is told by the system, and keeps its words alone.
            ArrowError::CsvError(words) if words.contains("Broken pipe") => PrintError::ReaderGone,
            other => PrintError::Unprintable(other),
        }
    }
}

/// A printer for rows of this schema.
pub fn printer(output: Output, schema: SchemaRef) -> Box<dyn Print> {
    match output {
        Output::Table => Box::new(table::TablePrinter::new(schema)),
        Output::Tsv => Box::new(delimited::TsvPrinter),
        Output::Csv => Box::new(CsvPrinter {
            header: true,
            schema,
        }),
        Output::Json => Box::new(JsonPrinter),
    }
}

/// Values as Spark's shell shows them.
fn as_text() -> FormatOptions<'static> {
    FormatOptions::new()
        .with_null("NULL")
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f"))
}

/// What turns the values of each column into text.
fn formatters<'a>(
    batch: &'a RecordBatch,
    options: &'a FormatOptions<'a>,
) -> Result<Vec<ArrayFormatter<'a>>, ArrowError> {
    batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), options))
        .collect()
}

struct CsvPrinter {
    header: bool,
    schema: SchemaRef,
}

impl Print for CsvPrinter {
    fn batch(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> Result<(), PrintError> {
        let mut writer = CsvWriterBuilder::new().with_header(self.header).build(to);
        self.header = false;
        Ok(writer.write(batch)?)
    }

    fn end(&mut self, to: &mut dyn Write) -> Result<(), PrintError> {
        match self.header {
            true => self.batch(&RecordBatch::new_empty(self.schema.clone()), to),
            false => Ok(()),
        }
    }
}

struct JsonPrinter;

impl Print for JsonPrinter {
    fn batch(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> Result<(), PrintError> {
        let mut writer = JsonWriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, LineDelimited>(to);
        writer.write(batch)?;
        Ok(writer.finish()?)
    }

    fn end(&mut self, _to: &mut dyn Write) -> Result<(), PrintError> {
        Ok(())
    }
}

/// Prints a text and the end of its last line.
pub fn print_text(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end_matches('\n'))?;
    Ok(stdout.flush()?)
}
