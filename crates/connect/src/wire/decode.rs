use std::io::Cursor;
use std::panic::catch_unwind;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc;
use datafusion::arrow::ipc::reader::StreamReader;

use crate::error::Error;

/// What precedes the length of a message since Arrow 0.15.
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// Reads an IPC stream from a client, whatever the bytes may be.
pub(crate) fn decode_ipc(data: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>), Error> {
    check(data)?;
    // The reader checks values, but trusts the numbers in the metadata: it slices, multiplies and
    // matches types without a second look, and panics where they make no sense.
    let read = catch_unwind(|| read(data)).map_err(|_| refused("its metadata contradict its data"));
    Ok(read??)
}

fn read(data: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
    let reader = StreamReader::try_new(Cursor::new(data), None)?;
    let schema = reader.schema();
    Ok((schema, reader.collect::<Result<_, _>>()?))
}

/// Whether each message, and each buffer in it, lies within the data. The reader allocates what it is
/// told, and a failed allocation ends the process.
fn check(data: &[u8]) -> Result<(), Error> {
    let mut rest = data;
    while let Some((metadata, after)) = message(rest)? {
        let message = ipc::root_as_message(&metadata).map_err(refused)?;
        let body = usize::try_from(message.bodyLength()).ok();
        let body = body.filter(|body| *body <= after.len());
        let body = body.ok_or_else(|| refused("a message's body is longer than the data"))?;
        let batch = match message.header_as_dictionary_batch() {
            Some(dictionary) => dictionary.data(),
            None => message.header_as_record_batch(),
        };
        if let Some(batch) = batch {
            check_batch(&batch, body)?;
        }
        rest = &after[body..];
    }
    Ok(())
}

/// A message's metadata, in memory of its own so that they are aligned, and what follows them.
type Split<'a> = (Vec<u8>, &'a [u8]);

/// Cuts off the metadata of the next message, if there is one.
fn message(rest: &[u8]) -> Result<Option<Split<'_>>, Error> {
    let rest = rest.strip_prefix(&CONTINUATION).unwrap_or(rest);
    let Some((length, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = i32::from_le_bytes(*length);
    if length == 0 {
        return Ok(None);
    }
    let length = usize::try_from(length).ok();
    let split = length.and_then(|length| rest.split_at_checked(length));
    let (metadata, after) = split.ok_or_else(|| refused("a message is longer than the data"))?;
    Ok(Some((metadata.to_vec(), after)))
}

fn check_batch(batch: &ipc::RecordBatch<'_>, body: usize) -> Result<(), Error> {
    if batch.compression().is_some() {
        return Err(Error::unsupported("compressed Arrow batches from a client"));
    }
    // Columns of nulls have no buffer that would bound them. Spark counts rows in 32 bits as well.
    let countable = |length: i64| i32::try_from(length).is_ok_and(|length| length >= 0);
    let mut lengths = batch
        .nodes()
        .into_iter()
        .flatten()
        .map(|node| node.length());
    if !countable(batch.length()) || !lengths.all(countable) {
        return Err(refused("more rows than there can be"));
    }
    let mut buffers = batch.buffers().into_iter().flatten();
    let within = buffers.all(|buffer| {
        let ends = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok());
        ends.and_then(|(offset, length)| offset.checked_add(length))
            .is_some_and(|end| end <= body)
    });
    match within {
        true => Ok(()),
        false => Err(refused("a buffer lies outside of its message")),
    }
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::internal(format!("Arrow data from the client cannot be read: {why}"))
}
