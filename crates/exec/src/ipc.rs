//! Batches as Arrow IPC streams of one batch each, which can be read one by one.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::SpillCompression;
use datafusion::common::{Result, exec_err};

use crate::batches::with_rows;

/// The batch as a stream of its own, its buffers compressed.
///
/// # Errors
/// If the batch has arrays that the format does not know.
pub fn encode(batch: &RecordBatch, compression: SpillCompression) -> Result<Vec<u8>> {
    let options = IpcWriteOptions::default().try_with_compression(compression.into())?;
    let mut encoded = Vec::new();
    let mut writer = StreamWriter::try_new_with_options(&mut encoded, &batch.schema(), options)?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(encoded)
}

/// The batch of such a stream, of which `schema` is the schema; with `columns`, those alone, and in that order.
///
/// # Errors
/// If it is not what was encoded.
pub fn decode(
    schema: &SchemaRef,
    encoded: &[u8],
    columns: Option<&[usize]>,
) -> Result<RecordBatch> {
    let mut reader = StreamReader::try_new(encoded, columns.map(<[usize]>::to_vec))?;
    let Some(batch) = reader.next().transpose()? else {
        return exec_err!("there are no rows where some were written");
    };
    // The stream's schema has lost the metadata of the plan's.
    let schema = match columns {
        Some(columns) => schema.project(columns)?.into(),
        None => schema.clone(),
    };
    let (_, columns, rows) = batch.into_parts();
    with_rows(&schema, columns, rows)
}
