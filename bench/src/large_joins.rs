//! Two tables to join, the smaller of which takes a given number of bytes.
//!
//! Every key of the smaller table, `small`, is in the larger one, `large`, which has a fifth more rows. Keys come in no order. The answer
//! of the [query](LargeJoin::SQL) follows from the number of rows.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;

use crate::answers::Answer;
use crate::hostile::random;
use crate::made;

/// Bytes of a row of the smaller table in memory: two numbers, a text of 40 characters, and its view.
const ROW_BYTES: u64 = 8 + 8 + 40 + 16;

/// A prime, larger than any number of rows here: its multiples meet every row once.
const STEP: u64 = 1_000_000_007;

/// A join whose build side takes so many bytes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeJoin {
    /// Bytes of the smaller table.
    pub bytes: u64,
}

impl LargeJoin {
    /// The join, with columns of both sides carried along.
    pub const SQL: &'static str = "SELECT count(*) AS n, sum(s.v) AS v, sum(length(s.t)) AS s, sum(length(l.t)) AS l \
                                   FROM large l JOIN small s ON l.k = s.k";

    fn small_rows(self) -> u64 {
        (self.bytes / ROW_BYTES).max(1)
    }

    fn large_rows(self) -> u64 {
        self.small_rows() + self.small_rows() / 5
    }

    /// What the query has to answer.
    pub fn answer(self) -> Answer {
        let rows = self.small_rows();
        let row = [rows, rows * (rows - 1) / 2, rows * 40, rows * 56];
        vec![row.iter().map(u64::to_string).collect()]
    }

    /// Makes sure that the tables exist below `parent`, and returns their directory, for `--tables`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn ensure(self, parent: &Path) -> Result<PathBuf> {
        let directory = parent.join(format!("rows-{}", self.small_rows()));
        let what = format!(
            "tables of {} and {} rows",
            self.small_rows(),
            self.large_rows()
        );
        made::ensure(&directory, &what, |directory| self.write(directory))?;
        Ok(directory)
    }

    fn write(self, directory: &Path) -> Result<()> {
        for (name, rows, text) in [
            ("small", self.small_rows(), 40),
            ("large", self.large_rows(), 56),
        ] {
            made::table(directory, name, rows, |places| batch(places, rows, text))?;
        }
        Ok(())
    }
}

/// Rows of a table of `rows` rows: a key, the same number again, and a text of `text` characters, sixteen of which tell
/// it from all others.
fn batch(places: Range<u64>, rows: u64, text: usize) -> Result<RecordBatch> {
    let keys: Vec<u64> = places
        .map(|place| (u128::from(place) * u128::from(STEP) % u128::from(rows)) as u64)
        .collect();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(
        keys.iter().map(|key| *key as i64),
    ));
    let texts = keys
        .iter()
        .map(|key| format!("{:-<text$}", random::hex(*key)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let columns = [("k", Arc::clone(&numbers)), ("v", numbers), ("t", texts)];
    Ok(RecordBatch::try_from_iter(columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::fs;

    #[test]
    fn every_key_is_there_once_and_the_tables_are_left_alone_once_made() {
        let rows = 1000;
        let all = batch(0..rows, rows, 40).unwrap();
        let keys = all.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        let different: HashSet<i64> = keys.values().iter().copied().collect();
        assert_eq!(different, (0..rows as i64).collect());
        let parent = tempfile::tempdir().unwrap();
        let join = LargeJoin {
            bytes: rows * ROW_BYTES,
        };
        let directory = join.ensure(parent.path()).unwrap();
        assert_eq!(join.ensure(parent.path()).unwrap(), directory);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        assert_eq!(join.answer()[0][..2], ["1000", "499500"]);
    }
}
