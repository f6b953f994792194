//! Makes a failing case smaller for as long as it fails in the same way.

mod steps;

use crate::case::Case;

/// The smallest case that still fails, as `fails` says, found with at most `tries` questions.
pub fn shrink(case: &Case, tries: usize, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    let mut left = tries;
    loop {
        let mut is_smaller = false;
        let mut number = 0;
        // The steps are made anew from the best case after each success, and gone on with where the last
        // one was, so that a long list of rows is not begun again.
        while let Some(smaller) = steps::step(&best, number) {
            if left == 0 {
                return best;
            }
            if smaller == best {
                number += 1;
                continue;
            }
            left -= 1;
            match fails(&smaller) {
                true => {
                    best = smaller;
                    is_smaller = true;
                }
                false => number += 1,
            }
        }
        if !is_smaller {
            return best;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::case::Storage;
    use crate::data;
    use crate::finding::queries;
    use crate::generate::{Scale, case};
    use crate::relation::Relation;
    use crate::stock::{self, Bounds};

    /// Each way of making a case smaller leaves queries that can be planned, if the case has such.
    #[tokio::test]
    async fn what_is_left_of_a_case_is_sql() {
        let bounds = Bounds {
            memory: 1 << 30,
            rows: 0,
            time: Duration::ZERO,
        };
        let directory = tempfile::tempdir().unwrap();
        for number in 0..6 {
            let mut original = case(4, number, Scale::SMALL);
            for table in &mut original.tables {
                table.rows = vec![(0, 70)];
                table.storage = Storage::Memory {
                    partitions: 1,
                    batch_rows: 100,
                };
            }
            for step in 0.. {
                let Some(smaller) = steps::step(&original, step) else {
                    break;
                };
                let context = stock::context(bounds).unwrap();
                data::place(&smaller.tables, directory.path(), &context, false)
                    .await
                    .unwrap();
                for sql in queries(&smaller) {
                    let planned = stock::plan(&context, &sql).await;
                    assert!(planned.is_ok(), "step {step}: {sql}: {planned:?}");
                }
            }
        }
    }

    #[test]
    fn a_case_that_fails_for_one_join_and_a_few_rows_becomes_that_join_and_those_rows() {
        fn has_join(relation: &Relation) -> bool {
            matches!(relation, Relation::Join(_)) || relation.inputs().into_iter().any(has_join)
        }
        let fails = |case: &Case| {
            case.queries.iter().any(has_join)
                && case.tables.iter().any(|table| table.row_count() >= 100)
        };
        let mut tried = 0;
        for number in 0..60 {
            let original = case(3, number, Scale::FULL);
            if !fails(&original) {
                continue;
            }
            tried += 1;
            let small = shrink(&original, 2000, fails);
            assert!(fails(&small));
            assert_eq!(small.queries.len(), 1);
            assert_eq!(small.queries[0].size(), 3, "{:?}", small.queries[0]);
            let rows: u64 = small.tables.iter().map(|table| table.row_count()).sum();
            assert_eq!(rows, 100);
        }
        assert!(tried > 10);
    }
}
