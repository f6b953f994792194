//! Queries that spill, and whose answers are known.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use plimsoll_driver::{Rows, Session};

/// Sorts so many rows, of which each holds a text of so many bytes.
pub struct Sort {
    pub rows: i64,
    pub width: usize,
}

impl Sort {
    /// Begins it. Whoever does not read its rows holds it up.
    pub async fn start(&self, session: &Session) -> Rows {
        let Self { rows, width } = self;
        let sql = format!(
            "SELECT id % 1000 AS k, id, repeat('x', {width}) AS s FROM range({rows}) ORDER BY k, id"
        );
        session.sql(&sql).await.unwrap().rows.unwrap()
    }

    /// Reads the rows, which have to be all there are, in order and whole.
    pub async fn read(&self, mut rows: Rows) {
        let (mut number, mut sum, mut last) = (0, 0, (-1, -1));
        while let Some(batch) = rows.try_next().await.unwrap() {
            let column = |at: usize| batch.column(at).as_primitive::<Int64Type>().values();
            for (k, id) in column(0).iter().zip(column(1)) {
                assert!((*k, *id) > last, "{k} {id} after {last:?}");
                last = (*k, *id);
                sum += id;
            }
            let texts = batch.column(2).as_string::<i32>().iter();
            let whole = texts.flatten().filter(|text| text.len() == self.width);
            number += whole.count() as i64;
        }
        assert_eq!((number, sum), (self.rows, self.rows * (self.rows - 1) / 2));
    }
}
