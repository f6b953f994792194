use std::sync::Arc;

use datafusion::arrow::array::types::{
    BinaryType, BinaryViewType, ByteArrayType, ByteViewType, LargeBinaryType, LargeUtf8Type,
    StringViewType, Utf8Type,
};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, GenericByteArray, GenericByteViewArray, UInt32Array, make_view,
};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{ArrowNativeType, DataType};
use datafusion::common::config::SpillCompression;
use datafusion::common::{Result, internal_err};

use super::codes::Codes;
use super::squeezed::Squeezed;
use super::{bytes_of_nulls, nulls_at};

/// Bytes of the texts of a block, at most: views can point to one text many times, and here each has its own.
const MOST: usize = 64 << 20;

/// Texts or bytes: their lengths, and all one after the other.
pub(crate) struct Texts {
    data_type: DataType,
    lengths: Codes,
    bytes: Squeezed,
    nulls: Option<NullBuffer>,
}

/// Access to the values of an array of texts or bytes.
pub(super) enum Values<'a> {
    Texts(&'a GenericByteArray<Utf8Type>),
    LargeTexts(&'a GenericByteArray<LargeUtf8Type>),
    TextViews(&'a GenericByteViewArray<StringViewType>),
    Bytes(&'a GenericByteArray<BinaryType>),
    LargeBytes(&'a GenericByteArray<LargeBinaryType>),
    ByteViews(&'a GenericByteViewArray<BinaryViewType>),
}

/// The values of an array, if it is of texts or bytes.
pub(super) fn values_of(array: &ArrayRef) -> Option<Values<'_>> {
    Some(match array.data_type() {
        DataType::Utf8 => Values::Texts(array.as_bytes()),
        DataType::LargeUtf8 => Values::LargeTexts(array.as_bytes()),
        DataType::Utf8View => Values::TextViews(array.as_byte_view()),
        DataType::Binary => Values::Bytes(array.as_bytes()),
        DataType::LargeBinary => Values::LargeBytes(array.as_bytes()),
        DataType::BinaryView => Values::ByteViews(array.as_byte_view()),
        _ => return None,
    })
}

impl<'a> Values<'a> {
    /// The value at a place, where there is one.
    pub(super) fn get(&self, at: usize) -> &'a [u8] {
        match self {
            Values::Texts(array) => array.value(at).as_bytes(),
            Values::LargeTexts(array) => array.value(at).as_bytes(),
            Values::TextViews(array) => array.value(at).as_bytes(),
            Values::Bytes(array) => array.value(at),
            Values::LargeBytes(array) => array.value(at),
            Values::ByteViews(array) => array.value(at),
        }
    }
}

impl Texts {
    /// The array, if it is of texts or bytes.
    ///
    /// # Errors
    /// If the compressor fails.
    pub(super) fn new(array: &ArrayRef, compression: SpillCompression) -> Result<Option<Self>> {
        let Some(values) = values_of(array) else {
            return Ok(None);
        };
        let value = |at: usize| match array.is_null(at) {
            true => &[][..],
            false => values.get(at),
        };
        let lengths: Vec<u64> = (0..array.len()).map(|at| value(at).len() as u64).collect();
        let all: u64 = lengths.iter().sum();
        if all > MOST as u64 {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(all as usize);
        for at in 0..array.len() {
            bytes.extend_from_slice(value(at));
        }
        let longest = lengths.iter().copied().max().unwrap_or_default();
        Ok(Some(Self {
            data_type: array.data_type().clone(),
            lengths: Codes::new(lengths.into_iter(), longest),
            bytes: Squeezed::new(bytes, compression)?,
            nulls: array.nulls().cloned(),
        }))
    }

    pub(super) fn unpack(&self, places: Option<&UInt32Array>) -> Result<ArrayRef> {
        let bytes = self.bytes.expand()?;
        let mut end = 0;
        // Where each begins, and where the last ends: no more than MOST.
        let mut offsets = vec![0];
        offsets.extend(self.lengths.map(None, |length| length as u32));
        for offset in &mut offsets {
            end += *offset;
            *offset = end;
        }
        let nulls = nulls_at(self.nulls.as_ref(), places);
        let all = All {
            bytes,
            offsets,
            places,
            nulls,
        };
        Ok(match self.data_type {
            DataType::Utf8 => all.in_order::<Utf8Type>(),
            DataType::LargeUtf8 => all.in_order::<LargeUtf8Type>(),
            DataType::Binary => all.in_order::<BinaryType>(),
            DataType::LargeBinary => all.in_order::<LargeBinaryType>(),
            DataType::Utf8View => all.views::<StringViewType>(),
            DataType::BinaryView => all.views::<BinaryViewType>(),
            _ => return internal_err!("{} is no type of texts", self.data_type),
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.lengths.bytes() + self.bytes.bytes() + bytes_of_nulls(self.nulls.as_ref())
    }
}

/// All values, on their way into an array of those that are wanted.
struct All<'a> {
    bytes: Buffer,
    offsets: Vec<u32>,
    places: Option<&'a UInt32Array>,
    nulls: Option<NullBuffer>,
}

impl All<'_> {
    fn range(&self, at: usize) -> std::ops::Range<usize> {
        self.offsets[at] as usize..self.offsets[at + 1] as usize
    }

    fn views<T: ByteViewType + ?Sized>(self) -> ArrayRef {
        let view = |at: usize| {
            let range = self.range(at);
            let start = range.start as u32;
            make_view(&self.bytes[range], 0, start)
        };
        let views: Vec<u128> = match self.places {
            None => (0..self.offsets.len() - 1).map(view).collect(),
            Some(places) => places
                .values()
                .iter()
                .map(|at| view(*at as usize))
                .collect(),
        };
        let views = ScalarBuffer::from(views);
        // SAFETY: a view is made of a range of the one buffer that there is, which holds what whole values of an array of this
        // type were, one after the other, and has not left this process since; so they are what the type asks for (UTF-8).
        let array = unsafe {
            GenericByteViewArray::<T>::new_unchecked(views, vec![self.bytes], self.nulls)
        };
        Arc::new(array)
    }

    fn in_order<T: ByteArrayType>(self) -> ArrayRef {
        let offset = |offset: usize| T::Offset::from_usize(offset).unwrap_or_default();
        let (offsets, bytes): (Vec<T::Offset>, Buffer) = match self.places {
            None => {
                let offsets = self.offsets.iter().map(|at| offset(*at as usize));
                (offsets.collect(), self.bytes)
            }
            Some(places) => {
                let mut bytes = Vec::new();
                let mut offsets = vec![offset(0)];
                for at in places.values() {
                    bytes.extend_from_slice(&self.bytes[self.range(*at as usize)]);
                    offsets.push(offset(bytes.len()));
                }
                (offsets, bytes.into())
            }
        };
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        // SAFETY: the offsets rise from 0 to the length of the bytes, and lie between whole values of an array of this type
        // that have not left this process since; so what is between them is what the type asks for (UTF-8).
        let array = unsafe { GenericByteArray::<T>::new_unchecked(offsets, bytes, self.nulls) };
        Arc::new(array)
    }
}
