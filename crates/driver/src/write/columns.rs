//! The columns of rows as they are in files.

use std::sync::Arc;

use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::partitions::PartitionBy;
use crate::format::FileFormat;
use crate::source::type_in_spark;

/// The columns in the files: those that are not in directories, nullable, and of Spark's types.
pub(super) fn written(
    schema: &Schema,
    partition_by: &PartitionBy,
    format: FileFormat,
) -> SchemaRef {
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
pub(super) fn without_views(data_type: &DataType) -> DataType {
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

/// How many columns a format that takes them apart keeps: each value of a struct is one.
pub(super) fn leaves(schema: &Schema) -> usize {
    fn of_type(data_type: &DataType) -> usize {
        match data_type {
            DataType::List(item) => of_type(item.data_type()),
            DataType::Map(entries, _) => of_type(entries.data_type()),
            DataType::Struct(fields) => fields.iter().map(|field| of_type(field.data_type())).sum(),
            _ => 1,
        }
    }
    schema
        .fields()
        .iter()
        .map(|field| of_type(field.data_type()))
        .sum()
}

/// These columns of a batch, with the types of `schema`.
pub(super) fn projected(
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
