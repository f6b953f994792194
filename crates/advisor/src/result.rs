//! What helps against a result that is larger than the driver lets it be.

use plimsoll_conf::fmt_bytes;

use crate::advice::{Advice, Change, Promise};

/// A result that was larger than `spark.driver.maxResultSize`. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeResult {
    /// What it may take.
    pub most: u64,
    /// About how many rows take no more; 0 if a single row does.
    pub rows_that_fit: u64,
    /// About what all of it takes, if that is known.
    pub in_all: Option<u64>,
    /// A value of the setting that lets all of it through, if one can be told.
    pub sufficient: Option<String>,
}

/// What helps: fewer rows, rows that go to files, or a larger bound.
pub fn for_result(result: &LargeResult) -> Vec<Advice> {
    let finding = match result.in_all {
        Some(bytes) => format!("the result takes about {}", fmt_bytes(bytes)),
        None => "the result takes more".to_owned(),
    };
    let finding = format!(
        "{finding}, and spark.driver.maxResultSize is {}",
        fmt_bytes(result.most)
    );
    let rows = result.rows_that_fit;
    let changes = [
        (rows > 0).then_some(Change::Limit { rows }),
        Some(Change::Write),
        result.sufficient.clone().map(|value| Change::Set {
            key: "spark.driver.maxResultSize".to_owned(),
            value,
            option: None,
        }),
    ];
    let advice = |change| Advice {
        change,
        reason: finding.clone(),
        promise: Promise::NoError,
    };
    changes.into_iter().flatten().map(advice).collect()
}
