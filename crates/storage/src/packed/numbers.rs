use datafusion::arrow::array::{Array, ArrayData, ArrayRef, UInt32Array, make_array};
use datafusion::arrow::buffer::{Buffer, NullBuffer};
use datafusion::arrow::datatypes::{ArrowNativeType, DataType};
use datafusion::common::Result;

use super::codes::Codes;
use super::{bytes_of_nulls, nulls_at};

/// Numbers by how far they are from the least of them: "frame of reference".
pub(crate) struct Numbers {
    data_type: DataType,
    least: i128,
    codes: Codes,
    nulls: Option<NullBuffer>,
}

/// Calls a function for the native type of whole numbers of a data type.
macro_rules! with_native {
    ($data_type:expr, $call:ident($($argument:expr),*)) => {
        match $data_type {
            DataType::Int8 => $call::<i8>($($argument),*),
            DataType::Int16 => $call::<i16>($($argument),*),
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) | DataType::Decimal32(..) => {
                $call::<i32>($($argument),*)
            }
            DataType::Int64
            | DataType::Date64
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Duration(_)
            | DataType::Decimal64(..) => $call::<i64>($($argument),*),
            DataType::UInt8 => $call::<u8>($($argument),*),
            DataType::UInt16 => $call::<u16>($($argument),*),
            DataType::UInt32 => $call::<u32>($($argument),*),
            DataType::UInt64 => $call::<u64>($($argument),*),
            DataType::Decimal128(..) => $call::<i128>($($argument),*),
            _ => None,
        }
    };
}

/// A native type of whole numbers.
trait Whole: ArrowNativeType + Ord + Into<i128> {
    /// The number that is so far from the least.
    fn above(least: i128, distance: u64) -> Self;
}

macro_rules! whole {
    ($($native:ty),*) => {$(
        impl Whole for $native {
            #[inline(always)]
            fn above(least: i128, distance: u64) -> Self {
                (least as $native).wrapping_add(distance as $native)
            }
        }
    )*};
}

whole!(i8, i16, i32, i64, i128, u8, u16, u32, u64);

impl Numbers {
    /// The array, if it is of whole numbers and takes less in this way.
    ///
    /// # Errors
    /// None.
    pub(super) fn new(array: &ArrayRef) -> Result<Option<Self>> {
        let data = array.to_data();
        let packed = with_native!(array.data_type(), pack(&data));
        Ok(packed.map(|(least, codes)| Self {
            data_type: array.data_type().clone(),
            least,
            codes,
            nulls: data.nulls().cloned(),
        }))
    }

    pub(super) fn unpack(&self, places: Option<&UInt32Array>) -> Result<ArrayRef> {
        let buffer = with_native!(self.data_type, unpack(&self.codes, self.least, places));
        let (buffer, length) = buffer.unwrap_or_default();
        let data = ArrayData::builder(self.data_type.clone())
            .len(length)
            .add_buffer(buffer)
            .nulls(nulls_at(self.nulls.as_ref(), places));
        Ok(make_array(data.build()?))
    }

    pub(super) fn bytes(&self) -> usize {
        self.codes.bytes() + bytes_of_nulls(self.nulls.as_ref())
    }
}

/// The least number, and how far each is from it.
fn pack<N: Whole>(data: &ArrayData) -> Option<(i128, Codes)> {
    let values = &data.buffer::<N>(0)[..data.len()];
    let ends = |ends: Option<(N, N)>, value: N| match ends {
        Some((least, greatest)) => Some((least.min(value), greatest.max(value))),
        None => Some((value, value)),
    };
    let nulls = data.nulls();
    let (least, greatest) = match nulls {
        None => values.iter().copied().fold(None, ends),
        Some(nulls) => nulls.valid_indices().map(|at| values[at]).fold(None, ends),
    }
    // Of NULLs alone.
    .unwrap_or_default();
    let (least, greatest): (i128, i128) = (least.into(), greatest.into());
    let span = u64::try_from(greatest.checked_sub(least)?).ok()?;
    if Codes::width(span) >= size_of::<N>() {
        return None;
    }
    let distance = |value: N| Into::<i128>::into(value).wrapping_sub(least) as u64;
    let codes = values.iter().enumerate().map(|(at, value)| {
        match nulls.is_none_or(|nulls| nulls.is_valid(at)) {
            true => distance(*value),
            false => 0,
        }
    });
    Some((least, Codes::new(codes, span)))
}

fn unpack<N: Whole>(
    codes: &Codes,
    least: i128,
    places: Option<&UInt32Array>,
) -> Option<(Buffer, usize)> {
    let values = codes.map(places, |distance| N::above(least, distance));
    let length = values.len();
    Some((Buffer::from_vec(values), length))
}
