//! Window functions over partitions that fit and partitions that do not.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use plimsoll_exec::{ExternalSorts, ExternalWindowExec, ExternalWindows};

use crate::session::{self, Outcome};

/// Functions that need a whole partition, one at a time and together with others.
const FUNCTIONS: [&str; 12] = [
    "sum(v) OVER (PARTITION BY k)",
    "count(*) OVER (PARTITION BY k), max(t) OVER (PARTITION BY k), avg(v) OVER (PARTITION BY k)",
    "sum(v) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    "sum(v) FILTER (WHERE length(t) % 3 = 0) OVER (PARTITION BY k)",
    "ntile(7) OVER (PARTITION BY k ORDER BY v)",
    "percent_rank() OVER (PARTITION BY k ORDER BY w), cume_dist() OVER (PARTITION BY k ORDER BY w)",
    "last_value(t) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)",
    "min(v) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN 2 PRECEDING AND UNBOUNDED FOLLOWING), \
     sum(w) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    "count(DISTINCT w) OVER (PARTITION BY k)",
    "cardinality(array_agg(w) OVER (PARTITION BY k))",
    "sum(v) OVER (), ntile(3) OVER (ORDER BY v)",
    "sum(v) OVER (PARTITION BY k, w), sum(v) OVER (PARTITION BY k)",
];

/// Keys: few, many, one for two rows each, NULL for some, one for all.
const KEYS: [&str; 5] = [
    "value % 5",
    "value % 400",
    "value / 2",
    "CASE WHEN value % 3 = 0 THEN NULL ELSE value % 4 END",
    "1",
];

const ROWS: usize = 6000;

fn context(memory: Option<u64>, with_rules: bool) -> SessionContext {
    let rules: Vec<session::Rule> = match with_rules {
        true => vec![
            Arc::new(ExternalWindows),
            Arc::new(ExternalSorts::new(true)),
        ],
        false => Vec::new(),
    };
    session::context(memory, 2, rules)
}

async fn outcome(context: &SessionContext, key: &str, functions: &str) -> Outcome {
    let rows = format!(
        "SELECT value AS v, {key} AS k, value * 7 % 31 AS w, repeat('x', 1 + CAST(value % 90 AS INT)) || value AS t \
         FROM range({ROWS})"
    );
    let query = format!("SELECT v, k, {functions} FROM ({rows})");
    let metric = "spilled_partitions";
    let outcome = session::outcome::<ExternalWindowExec>(context, &query, metric).await;
    assert_eq!(outcome.rows, ROWS, "{query}");
    outcome
}

#[tokio::test]
async fn windows_answer_as_datafusion_does_whether_a_partition_fits_or_not() {
    for functions in FUNCTIONS {
        for key in KEYS {
            let stock = outcome(&context(None, false), key, functions).await;
            for memory in [None, Some(1 << 20)] {
                let ours = outcome(&context(memory, true), key, functions).await;
                let case = format!("{functions} by {key} in {memory:?}");
                assert!(ours.operators > 0, "{case}");
                assert_eq!(ours.answer, stock.answer, "{case}");
                if memory.is_none() {
                    assert_eq!(ours.metric, 0, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_partition_that_does_not_fit_goes_to_disk() {
    let in_little = |bytes| context(Some(bytes), true);
    for functions in [
        "sum(v) OVER ()",
        "sum(length(t)) OVER (), max(t) OVER ()",
        "ntile(7) OVER (ORDER BY v)",
    ] {
        let functions = &format!("{functions}, t");
        let ours = outcome(&in_little(400 << 10), "1", functions).await;
        assert_eq!(ours.metric, 1, "{functions}");
        let stock = outcome(&context(None, false), "1", functions).await;
        assert_eq!(ours.answer, stock.answer);
    }
}
