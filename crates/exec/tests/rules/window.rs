//! Window functions over partitions that fit and partitions that do not.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use plimsoll_exec::{ExternalSorts, ExternalWindowExec, ExternalWindows, RunningWindowExec};
use plimsoll_memory::TaskMemory;

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

/// Functions that are told as the rows come.
const RUNNING: [&str; 14] = [
    "sum(v) OVER (PARTITION BY k ORDER BY v)",
    "sum(v) OVER (PARTITION BY k ORDER BY w), rank() OVER (PARTITION BY k ORDER BY w), \
     dense_rank() OVER (PARTITION BY k ORDER BY w)",
    "row_number() OVER (PARTITION BY k ORDER BY v), lag(t, 3) OVER (PARTITION BY k ORDER BY v), \
     lead(v, 2, -1) OVER (PARTITION BY k ORDER BY v)",
    "lead(t, 1500) OVER (PARTITION BY k ORDER BY v), count(*) OVER (PARTITION BY k ORDER BY v)",
    "avg(v) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN 700 PRECEDING AND 300 FOLLOWING)",
    "min(v + w) OVER (PARTITION BY k ORDER BY v + w ROWS BETWEEN 3 FOLLOWING AND 5 FOLLOWING)",
    "max(t) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING)",
    "sum(v) OVER (PARTITION BY k ORDER BY v RANGE BETWEEN 40 PRECEDING AND 10 FOLLOWING)",
    "count(v) OVER (PARTITION BY k ORDER BY w DESC RANGE BETWEEN 6 PRECEDING AND 3 PRECEDING)",
    "sum(v) OVER (PARTITION BY k ORDER BY w GROUPS BETWEEN 2 PRECEDING AND 1 FOLLOWING)",
    "first_value(t) OVER (PARTITION BY k ORDER BY v), nth_value(t, 4) OVER (PARTITION BY k ORDER BY v), \
     last_value(v) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)",
    "sum(v) FILTER (WHERE length(t) % 3 = 0) OVER (PARTITION BY k ORDER BY w), \
     count(v) FILTER (WHERE v % 2 = 0) OVER (PARTITION BY k ORDER BY v ROWS BETWEEN 9 PRECEDING AND 4 FOLLOWING)",
    "count(DISTINCT w) OVER (PARTITION BY k ORDER BY v), cardinality(array_agg(w) OVER (PARTITION BY k ORDER BY v))",
    "sum(v) OVER (ORDER BY v), rank() OVER (PARTITION BY k, w ORDER BY v)",
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
    outcome_of::<ExternalWindowExec>(context, key, functions, "spilled_partitions").await
}

async fn running(context: &SessionContext, key: &str, functions: &str) -> Outcome {
    outcome_of::<RunningWindowExec>(context, key, functions, "spilled_batches").await
}

async fn outcome_of<P: ExecutionPlan>(
    context: &SessionContext,
    key: &str,
    functions: &str,
    metric: &str,
) -> Outcome {
    let rows = format!(
        "SELECT value AS v, {key} AS k, value * 7 % 31 AS w, repeat('x', 1 + CAST(value % 90 AS INT)) || value AS t \
         FROM range({ROWS})"
    );
    let query = format!("SELECT v, k, {functions} FROM ({rows})");
    let outcome = session::outcome::<P>(context, &query, metric).await;
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

#[tokio::test]
async fn running_windows_answer_as_datafusion_does_whether_their_rows_fit_or_not() {
    for functions in RUNNING {
        for key in [KEYS[1], KEYS[3]] {
            let stock = running(&context(None, false), key, functions).await;
            for memory in [None, Some(4 << 20)] {
                let ours = running(&context(memory, true), key, functions).await;
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

/// All rows are peers, or the last is asked for first: the rows have to wait, and they are more than memory.
#[tokio::test]
async fn rows_that_wait_for_what_a_running_window_comes_to_go_to_disk() {
    for functions in [
        "sum(w) OVER (ORDER BY k), t",
        "sum(w) OVER (ORDER BY v ROWS BETWEEN CURRENT ROW AND 5500 FOLLOWING), t",
        "lead(w, 5500) OVER (ORDER BY v), row_number() OVER (ORDER BY v), t",
    ] {
        let in_little = context(Some(300 << 10), true);
        let ours = running(&in_little, "1", functions).await;
        assert!(ours.metric > 10, "{functions}: {} batches", ours.metric);
        let stock = running(&context(None, false), "1", functions).await;
        assert_eq!(ours.answer, stock.answer);
    }
}

#[tokio::test]
async fn what_a_frame_needs_is_counted_and_refused_where_it_does_not_fit() {
    let texts = "lead(t, 5500) OVER (ORDER BY v)";
    let ample = context(Some(64 << 20), true);
    running(&ample, "1", texts).await;
    let task = TaskMemory::of(&ample.runtime_env().memory_pool).unwrap();
    let holders = task.usage().holders_at_peak;
    let frames = holders
        .iter()
        .find(|holder| holder.consumer == "WindowFrames[0]");
    assert!(frames.unwrap().bytes > 5500 * 45, "{holders:?}");

    let query = "SELECT lead(t, 90000) OVER (ORDER BY v) FROM \
                 (SELECT value AS v, repeat('x', 100) AS t FROM range(100000))";
    let little = context(Some(2 << 20), true);
    let plan = little.sql(query).await.unwrap();
    let error = plan.collect().await.unwrap_err().to_string();
    assert!(error.contains("WindowFrames"), "{error}");
    assert_eq!(little.runtime_env().memory_pool.reserved(), 0);
    assert_eq!(little.runtime_env().disk_manager.used_disk_space(), 0);
}
