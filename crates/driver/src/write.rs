//! Rows written as files, the way Spark's `DataFrameWriter` writes them.
//!
//! All files are written to a hidden directory beside the target and move there when the last is complete
//! ([`staging`]): a write that fails, is dropped or is killed leaves what was there as it was. Rows are
//! encoded as they come, on a thread that may block; what the open files hold in memory is bounded
//! ([`parts`]).

mod cells;
mod csv;
mod encoder;
mod json;
mod parquet;
mod partitions;
mod parts;
mod staging;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{Receiver, channel};

use self::encoder::Encoder;
use self::partitions::PartitionBy;
use self::parts::Parts;
use self::staging::Staging;
use crate::error::Error;
use crate::format::FileFormat;
use crate::options::Options;
use crate::source::{refuse_other_encodings, type_in_spark};

/// Batches that wait between a query and the thread that writes its rows.
const BATCHES_AHEAD: usize = 2;

/// The empty file that says that a write is complete.
const SUCCESS: &str = "_SUCCESS";

/// The options of all formats.
const COMMON: &[&str] = &["path", "maxrecordsperfile", "partitionoverwritemode"];

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

/// Where and how rows are written: Spark's
/// `df.write.format(…).mode(…).partitionBy(…).options(…).save(path)`.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The format of the files.
    pub format: FileFormat,
    /// The directory that the files are put into, as a path or a `file:` URL.
    pub path: String,
    /// What is done about what is there already.
    pub mode: SaveMode,
    /// The columns whose values become `key=value` directories.
    pub partition_by: Vec<String>,
    /// Spark's data source options; their keys count in any case.
    pub options: BTreeMap<String, String>,
}

/// Writes rows as files, and gives their number. Text without a time zone is in `time_zone`.
///
/// # Errors
/// [`Error::PathExists`] if there is something at the path and the mode does not allow for it; and if an
/// option is malformed or not supported, a column cannot be written in this format, the rows end with an
/// error, or the disk refuses. What was at the path is then as it was.
pub(crate) async fn write(
    rows: impl Stream<Item = Result<RecordBatch, Error>>,
    schema: SchemaRef,
    request: &WriteRequest,
    time_zone: &str,
) -> Result<u64, Error> {
    let options = Options::new(&request.options);
    let partition_by = PartitionBy::new(&schema, &request.partition_by, time_zone)?;
    let schema = written(&schema, &partition_by, request.format);
    let encoder = Encoder::new(request.format, &schema, &options, time_zone)?;
    let by_partition = options
        .get("partitionoverwritemode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("dynamic"));
    let by_partition = by_partition && !request.partition_by.is_empty();
    let Some(staging) = Staging::begin(&request.path, request.mode, by_partition)? else {
        return Ok(0);
    };
    let most_rows = most_rows(&options)?;
    let parts = Parts::new(
        staging.directory(),
        encoder,
        schema,
        partition_by,
        most_rows,
    );
    let (to, from) = channel(BATCHES_AHEAD);
    let writer = tokio::task::spawn_blocking(move || run(parts, staging, from));
    let mut failed = None;
    let mut rows = pin!(rows);
    while let Some(batch) = rows.next().await {
        let batch = match batch {
            Ok(batch) => Message::Rows(batch),
            Err(error) => {
                failed = Some(error);
                break;
            }
        };
        // The writer takes no more once it has failed.
        if to.send(batch).await.is_err() {
            break;
        }
    }
    if failed.is_none() {
        let _ = to.send(Message::End).await;
    }
    drop(to);
    let written = writer
        .await
        .map_err(|error| Error::Execution(format!("writing failed: {error}")))?;
    match failed {
        Some(error) => Err(error),
        None => written,
    }
}

/// What comes to the thread that writes. Without an end the write was given up.
enum Message {
    Rows(RecordBatch),
    End,
}

fn run(mut parts: Parts, staging: Staging, mut from: Receiver<Message>) -> Result<u64, Error> {
    loop {
        match from.blocking_recv() {
            Some(Message::Rows(batch)) => parts.write(&batch)?,
            Some(Message::End) => break,
            None => return Ok(0),
        }
    }
    let rows = parts.finish()?;
    std::fs::File::create(staging.directory().join(SUCCESS)).map_err(|source| Error::System {
        what: format!("cannot write to {}", staging.directory().display()),
        source,
    })?;
    staging.commit()?;
    Ok(rows)
}

/// The option `maxRecordsPerFile`.
fn most_rows(options: &Options) -> Result<Option<u64>, Error> {
    let Some(value) = options.get("maxrecordsperfile") else {
        return Ok(None);
    };
    let number: i64 = value.parse().map_err(|_| {
        Error::Option(format!(
            "the option maxRecordsPerFile is a number, not '{value}'"
        ))
    })?;
    Ok(u64::try_from(number).ok().filter(|&number| number > 0))
}

/// The columns in the files: those that are not in directories, nullable, and of Spark's types.
fn written(schema: &Schema, partition_by: &PartitionBy, format: FileFormat) -> SchemaRef {
    let fields = schema.fields().iter().enumerate();
    let fields: Vec<Field> = fields
        .filter(|(at, _)| !partition_by.contains(*at))
        .map(|(_, field)| {
            let mut data_type = type_in_spark(field.data_type(), "UTC");
            if format != FileFormat::Parquet {
                data_type = without_views(&data_type);
            }
            Field::new(field.name(), data_type, true)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The type with strings and bytes in one piece.
fn without_views(data_type: &DataType) -> DataType {
    let field = |field: &Arc<Field>| {
        let data_type = without_views(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::List(item) => DataType::List(field(item)),
        DataType::Map(entries, sorted) => DataType::Map(field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect::<Fields>()),
        other => other.clone(),
    }
}

/// These columns of a batch, with the types of `schema`.
fn projected(
    batch: &RecordBatch,
    columns: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let cast = |(&at, field): (&usize, &Arc<Field>)| {
        let column = batch.column(at);
        match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()),
        }
    };
    let columns = columns.iter().zip(schema.fields()).map(cast);
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// An error of Arrow or Parquet where a file is written.
fn failed(error: impl std::fmt::Display) -> Error {
    Error::Execution(format!("writing failed: {error}"))
}
