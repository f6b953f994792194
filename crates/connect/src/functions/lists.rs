//! How functions of arrays build their answers: each row picks elements out of columns.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, new_null_array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{cast, interleave};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{DataFusionError, Result};

use super::coercion;

/// An element: the number of a column of elements, and the row in it.
pub(super) type Pick = (usize, usize);

/// The picked elements of one column after another. `None` is a null.
pub(super) fn elements(
    sources: &[ArrayRef],
    picks: &[Option<Pick>],
    to: &DataType,
) -> Result<ArrayRef> {
    let nothing = new_null_array(to, 1);
    // Fields of the same type may go by other names.
    let alike: std::result::Result<Vec<_>, _> =
        sources.iter().map(|source| cast(source, to)).collect();
    let alike = alike?;
    let mut columns: Vec<&dyn Array> = alike.iter().map(|source| source.as_ref()).collect();
    let null = (columns.len(), 0);
    columns.push(nothing.as_ref());
    let picks: Vec<_> = picks.iter().map(|pick| pick.unwrap_or(null)).collect();
    if picks.is_empty() {
        return Ok(new_null_array(to, 0));
    }
    Ok(interleave(&columns, &picks)?)
}

/// An array of elements for each row, which is null where there are no picks.
#[derive(Default)]
pub(super) struct Picked {
    picks: Vec<Option<Pick>>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Picked {
    pub(super) fn null(&mut self) {
        self.lengths.push(0);
        self.valid.push(false);
    }

    pub(super) fn row(&mut self, picks: impl IntoIterator<Item = Option<Pick>>) {
        let before = self.picks.len();
        self.picks.extend(picks);
        self.lengths.push(self.picks.len() - before);
        self.valid.push(true);
    }

    pub(super) fn finish(self, sources: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
        let Some(field) = coercion::element(to) else {
            return Err(DataFusionError::Internal(format!("{to} is no array")));
        };
        let values = elements(sources, &self.picks, field.data_type())?;
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        Ok(Arc::new(ListArray::try_new(
            Arc::clone(field),
            offsets,
            values,
            Some(self.valid.into()),
        )?))
    }
}

/// A column of arrays.
pub(super) struct Lists<'a>(pub(super) &'a ListArray);

impl<'a> Lists<'a> {
    pub(super) fn new(array: &'a ArrayRef) -> Result<Self> {
        array
            .as_list_opt::<i32>()
            .map(Self)
            .ok_or_else(|| DataFusionError::Internal(format!("{} is no array", array.data_type())))
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    /// Where the row's elements are in [`Self::values`].
    pub(super) fn range(&self, row: usize) -> std::ops::Range<usize> {
        let offsets = self.0.value_offsets();
        offsets[row] as usize..offsets[row + 1] as usize
    }

    pub(super) fn values(&self) -> &'a ArrayRef {
        self.0.values()
    }
}

/// Columns of elements in a form in which they can be compared with each other. NaN is equal to itself and
/// greater than any number.
pub(super) fn comparable(columns: &[&ArrayRef]) -> Result<Vec<Rows>> {
    let Some(first) = columns.first() else {
        return Ok(vec![]);
    };
    let converter = RowConverter::new(vec![SortField::new(first.data_type().clone())])?;
    columns
        .iter()
        .map(|column| Ok(converter.convert_columns(&[zero_without_sign(column)?])?))
        .collect()
}

/// Spark holds 0.0 and -0.0 for equal.
fn zero_without_sign(column: &ArrayRef) -> Result<ArrayRef> {
    use datafusion::arrow::datatypes::{Float32Type, Float64Type};
    Ok(match column.data_type() {
        DataType::Float64 => Arc::new(
            column
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|value| if value == 0.0 { 0.0 } else { value }),
        ),
        DataType::Float32 => Arc::new(
            column
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|value| if value == 0.0 { 0.0 } else { value }),
        ),
        _ => Arc::clone(column),
    })
}
