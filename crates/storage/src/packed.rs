//! Blocks of serialized levels: columns in less memory than their arrays, each unpacked on its own and for the rows alone that
//! are wanted.
//!
//! A general compressor has to be undone byte by byte for all rows before the first one can be looked at, which takes longer
//! than what most queries do with them. So what has structure is packed by it, and only the texts of a column are compressed:
//!
//! | column | packed as |
//! | --- | --- |
//! | whole numbers, decimals, dates, times | how far each is from the least, in 0, 1, 2, 4 or 8 bytes |
//! | texts and bytes of few distinct values | those, and which one each is |
//! | other texts and bytes | their lengths, and all of them one after the other, compressed |
//! | all else | an Arrow IPC stream, compressed |
//!
//! whatever saves something; otherwise a column stays the array that it is.

mod codes;
mod numbers;
mod squeezed;
mod texts;
mod words;

#[cfg(test)]
mod tests;

use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, UInt32Array};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::SpillCompression;
use datafusion::common::{Result, internal_datafusion_err};
use plimsoll_exec::batches::{bytes_of, with_rows};
use plimsoll_exec::ipc;

use crate::block::described_in;

use numbers::Numbers;
use texts::Texts;
use words::Words;

/// The rows of a block, packed.
pub(crate) struct PackedRows {
    columns: Vec<Packed>,
    rows: usize,
}

impl PackedRows {
    /// Packs rows whose buffers are their own.
    ///
    /// # Errors
    /// If there are arrays that cannot be packed.
    pub(crate) fn new(batch: &RecordBatch, compression: SpillCompression) -> Result<Self> {
        let columns = batch.columns().iter();
        Ok(Self {
            columns: columns
                .map(|column| Packed::new(column, compression))
                .collect::<Result<_>>()?,
            rows: batch.num_rows(),
        })
    }

    pub(crate) fn column(&self, at: usize) -> Result<&Packed> {
        self.columns
            .get(at)
            .ok_or_else(|| internal_datafusion_err!("a cached table has no column {at}"))
    }

    /// All rows, unpacked.
    ///
    /// # Errors
    /// If they are not what was packed.
    pub(crate) fn rows(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let columns = self.columns.iter().map(|column| column.unpack(None));
        with_rows(schema, columns.collect::<Result<_>>()?, self.rows)
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let columns = self.columns.iter().map(Packed::bytes);
        size_of::<Self>() + columns.sum::<usize>()
    }
}

/// A column of a block, packed.
pub(crate) enum Packed {
    /// As it is.
    Array(ArrayRef),
    Numbers(Numbers),
    Words(Words),
    Texts(Texts),
    /// As an Arrow IPC stream of a column of this schema.
    Stream(SchemaRef, Box<[u8]>),
}

impl Packed {
    fn new(array: &ArrayRef, compression: SpillCompression) -> Result<Self> {
        let packed = match Numbers::new(array)? {
            Some(numbers) => Some(Packed::Numbers(numbers)),
            None => match Words::new(array)? {
                Some(words) => Some(Packed::Words(words)),
                None => Texts::new(array, compression)?.map(Packed::Texts),
            },
        };
        let as_it_is = Packed::Array(Arc::clone(array));
        let packed = match packed {
            Some(packed) => packed,
            None => Self::stream(array, compression)?,
        };
        // What saves less than a tenth is not worth unpacking.
        Ok(match packed.bytes() < as_it_is.bytes() / 10 * 9 {
            true => packed,
            false => as_it_is,
        })
    }

    fn stream(array: &ArrayRef, compression: SpillCompression) -> Result<Self> {
        let field = Field::new("column", array.data_type().clone(), true);
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = with_rows(&schema, vec![Arc::clone(array)], array.len())?;
        let encoded = ipc::encode(&batch, compression)?;
        Ok(Packed::Stream(schema, encoded.into_boxed_slice()))
    }

    /// The array, or the values at these places of it.
    ///
    /// # Errors
    /// If it is not what was packed.
    pub(crate) fn unpack(&self, places: Option<&UInt32Array>) -> Result<ArrayRef> {
        let array = match self {
            Packed::Array(array) => Arc::clone(array),
            Packed::Stream(schema, encoded) => {
                let batch = ipc::decode(schema, encoded, None)?;
                Arc::clone(batch.column(0))
            }
            Packed::Numbers(numbers) => return numbers.unpack(places),
            Packed::Words(words) => return words.unpack(places),
            Packed::Texts(texts) => return texts.unpack(places),
        };
        match places {
            Some(places) => Ok(take(&array, places, None)?),
            None => Ok(array),
        }
    }

    fn bytes(&self) -> usize {
        let content = match self {
            Packed::Array(array) => bytes_of_array(array),
            Packed::Numbers(numbers) => numbers.bytes(),
            Packed::Words(words) => words.bytes(),
            Packed::Texts(texts) => texts.bytes(),
            Packed::Stream(_, encoded) => encoded.len() + DESCRIBED,
        };
        size_of::<Self>() + content
    }
}

/// Bytes that the schema of a stream takes, about.
const DESCRIBED: usize = 256;

/// Bytes that an array holds, each buffer once, with what describes it.
fn bytes_of_array(array: &ArrayRef) -> usize {
    let field = Field::new("column", array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = with_rows(&schema, vec![Arc::clone(array)], array.len());
    let buffers = batch.map_or_else(|_| array.get_buffer_memory_size(), |batch| bytes_of(&batch));
    buffers + described_in(array)
}

/// Which of the values at these places are NULL, of those of which these are.
fn nulls_at(nulls: Option<&NullBuffer>, places: Option<&UInt32Array>) -> Option<NullBuffer> {
    let (Some(nulls), Some(places)) = (nulls, places) else {
        return nulls.cloned();
    };
    let places = places.values();
    let valid = |at: usize| nulls.is_valid(places[at] as usize);
    Some(NullBuffer::new(BooleanBuffer::collect_bool(
        places.len(),
        valid,
    )))
}

fn bytes_of_nulls(nulls: Option<&NullBuffer>) -> usize {
    nulls.map_or(0, |nulls| nulls.buffer().capacity())
}
