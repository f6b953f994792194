use datafusion::arrow::array::{Array, ArrayRef, PrimitiveArray, UInt32Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::UInt32Type;
use datafusion::common::{HashMap, Result};

use super::codes::Codes;
use super::texts::{Values, values_of};
use super::{bytes_of_array, bytes_of_nulls, nulls_at};
use crate::bounds::tight;

/// Texts or bytes of few distinct values: those, and which one each is.
pub(crate) struct Words {
    words: ArrayRef,
    codes: Codes,
    nulls: Option<NullBuffer>,
}

/// Distinct values that are as few as any; beyond, as many as one in so many rows.
const FEW: usize = 256;
const OF_ROWS: usize = 4;

impl Words {
    /// The array, if it is of texts or bytes and has few distinct values.
    ///
    /// # Errors
    /// If offsets of 32 bits cannot reach all their texts.
    pub(super) fn new(array: &ArrayRef) -> Result<Option<Self>> {
        let Some(values) = values_of(array) else {
            return Ok(None);
        };
        let Some((codes, first)) = distinct(array, &values) else {
            return Ok(None);
        };
        let greatest = first.len().saturating_sub(1) as u64;
        Ok(Some(Self {
            words: tight(take(array, &UInt32Array::from(first), None)?)?,
            codes: Codes::new(codes.into_iter(), greatest),
            nulls: array.nulls().cloned(),
        }))
    }

    pub(super) fn unpack(&self, places: Option<&UInt32Array>) -> Result<ArrayRef> {
        let codes = self.codes.map(places, |code| code as u32);
        let nulls = nulls_at(self.nulls.as_ref(), places);
        let codes = PrimitiveArray::<UInt32Type>::new(codes.into(), nulls);
        Ok(take(&self.words, &codes, None)?)
    }

    pub(super) fn bytes(&self) -> usize {
        bytes_of_array(&self.words) + self.codes.bytes() + bytes_of_nulls(self.nulls.as_ref())
    }
}

/// Which of the distinct values each is, and where each of these is first; `None` if there are many.
fn distinct(array: &ArrayRef, values: &Values) -> Option<(Vec<u64>, Vec<u32>)> {
    let mut places: HashMap<&[u8], u64> = HashMap::default();
    let mut first = Vec::new();
    let mut codes = Vec::with_capacity(array.len());
    for at in 0..array.len() {
        if array.is_null(at) {
            codes.push(0);
            continue;
        }
        let next = first.len() as u64;
        let code = *places.entry(values.get(at)).or_insert(next);
        if code == next {
            first.push(at as u32);
            if first.len() > FEW + at / OF_ROWS {
                return None;
            }
        }
        codes.push(code);
    }
    Some((codes, first))
}
