//! Rows on the wire: Arrow's IPC format in the shape that Spark gives it (`ArrowConverters`).

mod compression;
mod decode;
mod reshape;
mod size;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use plimsoll_driver::spark_type;

pub(crate) use compression::compression;
pub(crate) use decode::decode_ipc;
pub(crate) use reshape::reshape;

use crate::error::Error;
use crate::types::{in_time_zone, key_and_value};

/// The bytes of a batch that is worth compressing: of a smaller one the headers are much.
const WORTH_COMPRESSING: usize = 4 << 10;

/// Turns the engine's batches into what a client of Spark expects.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    spark: SchemaRef,
    wire: SchemaRef,
    compression: Option<CompressionType>,
}

impl Encoder {
    /// For batches of `schema`, with columns of other names if given, since the names of an answer
    /// may repeat and the engine's may not. Timestamps are labelled with `time_zone`.
    pub(crate) fn new(schema: &Schema, names: Option<&[String]>, time_zone: &str) -> Self {
        let fields = schema.fields().iter().enumerate().map(|(index, field)| {
            let name = names.and_then(|names| names.get(index));
            let data_type = in_time_zone(&spark_type(field.data_type()), time_zone);
            Field::new(name.unwrap_or(field.name()), data_type, field.is_nullable())
                .with_metadata(field.metadata().clone())
        });
        let spark = Schema::new(fields.collect::<Vec<_>>());
        let fields = spark.fields().iter().map(|field| {
            let data_type = distinct_names(field.data_type());
            Field::new(field.name(), data_type, field.is_nullable())
        });
        Self {
            wire: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            spark: Arc::new(spark),
            compression: None,
        }
    }

    /// With buffers compressed so, each that is smaller for it.
    pub(crate) fn compressed(self, compression: Option<CompressionType>) -> Self {
        Self {
            compression,
            ..self
        }
    }

    /// The schema that the client is told beside the data. Unlike the one within the data it has the
    /// fields' metadata, and the names in structs as they are.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.spark)
    }

    /// A complete IPC stream: the schema, one batch, the end. Spark sends this for each ArrowBatch.
    pub(crate) fn encode(&self, batch: &RecordBatch) -> Result<Vec<u8>, Error> {
        let batch = self.convert(batch)?;
        let compression = self
            .compression
            .filter(|_| size::of_batch(&batch) >= WORTH_COMPRESSING);
        let options = IpcWriteOptions::default().try_with_compression(compression)?;
        let mut writer = StreamWriter::try_new_with_options(vec![], &self.wire, options)?;
        writer.write(&batch)?;
        Ok(writer.into_inner()?)
    }

    /// The batch in slices of at most `max_rows` rows and about `max_bytes` bytes, in the client's
    /// form already; but a row stays whole however large it is.
    pub(crate) fn pieces(
        &self,
        batch: &RecordBatch,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Vec<RecordBatch>, Error> {
        let max_rows = max_rows.max(1);
        let mut pieces = vec![];
        for start in (0..batch.num_rows()).step_by(max_rows) {
            let rows = max_rows.min(batch.num_rows() - start);
            halve(
                self.convert(&batch.slice(start, rows))?,
                max_bytes,
                &mut pieces,
            );
        }
        Ok(pieces)
    }

    fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        if batch.num_columns() != self.wire.fields().len() {
            return Err(Error::internal("a batch of another schema than announced"));
        }
        let columns = batch.columns().iter().zip(self.wire.fields());
        let columns: Result<Vec<ArrayRef>, Error> = columns
            .map(|(column, field)| reshape(column, field.data_type()))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.wire),
            columns?,
            &options,
        )?)
    }
}

/// Cuts the batch in two until each part is small enough.
fn halve(batch: RecordBatch, max_bytes: usize, pieces: &mut Vec<RecordBatch>) {
    let rows = batch.num_rows();
    if rows > 1 && size::of_batch(&batch) > max_bytes {
        halve(batch.slice(0, rows / 2), max_bytes, pieces);
        halve(batch.slice(rows / 2, rows - rows / 2), max_bytes, pieces);
    } else {
        pieces.push(batch);
    }
}

/// Names that a struct has twice get numbers: `ArrowUtils.deduplicateFieldNames`. Arrow in Python
/// cannot make dictionaries of such structs otherwise.
fn distinct_names(data_type: &DataType) -> DataType {
    let inner = |field: &Field, name: &str| {
        Field::new(name, distinct_names(field.data_type()), field.is_nullable())
    };
    match data_type {
        DataType::List(item) => DataType::List(inner(item, "element").into()),
        DataType::Struct(fields) => {
            let names = numbered(fields);
            let fields = fields.iter().zip(names);
            DataType::Struct(fields.map(|(field, name)| inner(field, &name)).collect())
        }
        DataType::Map(entries, sorted) => match key_and_value(entries) {
            Some((key, value)) => {
                let pair = vec![inner(key, "key"), inner(value, "value")];
                let entries = Field::new("entries", DataType::Struct(pair.into()), false);
                DataType::Map(entries.into(), *sorted)
            }
            None => data_type.clone(),
        },
        other => other.clone(),
    }
}

fn numbered(fields: &Fields) -> Vec<String> {
    let repeated = |name: &str| fields.iter().filter(|field| field.name() == name).count() > 1;
    let mut next: HashMap<&str, usize> = HashMap::new();
    let mut names = vec![];
    for field in fields {
        if repeated(field.name()) {
            let number = next.entry(field.name()).or_default();
            names.push(format!("{}_{number}", field.name()));
            *number += 1;
        } else {
            names.push(field.name().clone());
        }
    }
    names
}

#[cfg(test)]
mod tests;
