//! Which rows of a block are wanted.

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use datafusion::arrow::compute::{FilterBuilder, FilterPredicate, and, filter, take};
use datafusion::common::Result;

/// Where fewer than one row in so many is wanted, rows are picked one by one; before, all are looked at, which is faster for
/// each of them.
const FEW: usize = 4;

/// The rows of a block that are wanted, in their order.
pub(crate) enum Selection {
    /// All of so many.
    All(usize),
    /// Those that are marked, of all.
    Marked(BooleanArray),
    /// Those at these places.
    Few(UInt32Array),
}

impl Selection {
    pub(crate) fn count(&self) -> usize {
        match self {
            Selection::All(rows) => *rows,
            Selection::Marked(marks) => marks.true_count(),
            Selection::Few(places) => places.len(),
        }
    }

    /// Rows of the arrays that a condition is evaluated on: those at the places where these are few, and all otherwise.
    pub(crate) fn looked_at(&self) -> usize {
        match self {
            Selection::All(rows) => *rows,
            Selection::Marked(marks) => marks.len(),
            Selection::Few(places) => places.len(),
        }
    }

    /// Those of the rows that are kept too. `kept` is of the rows that are looked at, and has no NULL.
    pub(crate) fn and(&self, kept: BooleanArray) -> Result<Self> {
        Ok(match self {
            Selection::All(_) => Self::of(kept),
            Selection::Marked(marks) => Self::of(and(marks, &kept)?),
            Selection::Few(places) => {
                let places = filter(places, &kept)?.to_data();
                Selection::Few(places.into())
            }
        })
    }

    fn of(marks: BooleanArray) -> Self {
        let count = marks.true_count();
        if count == marks.len() {
            return Selection::All(count);
        }
        if count * FEW > marks.len() {
            return Selection::Marked(marks);
        }
        let mut places = Vec::with_capacity(count);
        places.extend(marks.values().set_indices_u32());
        Selection::Few(places.into())
    }
}

/// Takes the rows of a selection out of arrays.
pub(crate) enum Picker<'a> {
    All,
    Marked(FilterPredicate),
    Few(&'a UInt32Array),
}

impl<'a> Picker<'a> {
    pub(crate) fn new(selection: &'a Selection) -> Self {
        match selection {
            Selection::All(_) => Picker::All,
            Selection::Marked(marks) => {
                Picker::Marked(FilterBuilder::new(marks).optimize().build())
            }
            Selection::Few(places) => Picker::Few(places),
        }
    }

    /// The rows of a column that has all.
    ///
    /// # Errors
    /// If offsets of 32 bits cannot reach all their texts.
    pub(crate) fn pick(&self, column: ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Picker::All => column,
            Picker::Marked(marks) => marks.filter(&column)?,
            Picker::Few(places) => take(&column, *places, None)?,
        })
    }
}
