//! Columns of maps, read and built.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, MapArray, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};

use super::coercion::map_entry;
use super::lists::{Pick, comparable, elements};
use super::native::raise;
use crate::error::{Error, Kind};

/// A map of the picked keys and values of each row.
#[derive(Default)]
pub(super) struct Entries {
    keys: Vec<Option<Pick>>,
    values: Vec<Option<Pick>>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Entries {
    pub(super) fn null(&mut self) {
        self.lengths.push(0);
        self.valid.push(false);
    }

    pub(super) fn row(&mut self, entries: impl IntoIterator<Item = (Option<Pick>, Option<Pick>)>) {
        let before = self.keys.len();
        for (key, value) in entries {
            self.keys.push(key);
            self.values.push(value);
        }
        self.lengths.push(self.keys.len() - before);
        self.valid.push(true);
    }

    /// The map; a null or a repeated key is an error.
    pub(super) fn finish(
        self,
        keys: &[ArrayRef],
        values: &[ArrayRef],
        to: &DataType,
    ) -> Result<ArrayRef> {
        let DataType::Map(entries, sorted) = to else {
            return Err(DataFusionError::Internal(format!("{to} is no map")));
        };
        let Some((key, value)) = map_entry(to) else {
            return Err(DataFusionError::Internal(
                "a map without entries".to_owned(),
            ));
        };
        let keys = elements(keys, &self.keys, key.data_type())?;
        if keys.logical_null_count() > 0 {
            return Err(raise(Error::new(Kind::Runtime, "NULL_MAP_KEY", &[])));
        }
        distinct_keys(&keys, &self.lengths)?;
        let values = elements(values, &self.values, value.data_type())?;
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(DataFusionError::Internal(
                "a map without entries".to_owned(),
            ));
        };
        let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        Ok(Arc::new(MapArray::try_new(
            Arc::clone(entries),
            offsets,
            pairs,
            Some(self.valid.into()),
            *sorted,
        )?))
    }
}

fn distinct_keys(keys: &ArrayRef, lengths: &[usize]) -> Result<()> {
    let rows = comparable(&[keys])?;
    let mut from = 0;
    for length in lengths {
        let mut seen = HashSet::new();
        for at in from..from + length {
            if !seen.insert(rows[0].row(at)) {
                let zone = super::calendar::Zone::parse("UTC").map_err(raise)?;
                let key = super::cast::text_of(keys, at, zone)?;
                return Err(raise(Error::new(
                    Kind::Runtime,
                    "DUPLICATED_MAP_KEY",
                    &[
                        ("key", &key),
                        ("mapKeyDedupPolicy", "\"spark.sql.mapKeyDedupPolicy\""),
                    ],
                )));
            }
        }
        from += length;
    }
    Ok(())
}

/// A column of maps.
pub(super) struct Maps<'a>(pub(super) &'a MapArray);

impl<'a> Maps<'a> {
    pub(super) fn new(array: &'a ArrayRef) -> Result<Self> {
        array
            .as_map_opt()
            .map(Self)
            .ok_or_else(|| DataFusionError::Internal(format!("{} is no map", array.data_type())))
    }

    pub(super) fn range(&self, row: usize) -> std::ops::Range<usize> {
        let offsets = self.0.value_offsets();
        offsets[row] as usize..offsets[row + 1] as usize
    }
}
