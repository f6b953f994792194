//! Recursive queries whose steps fit and whose steps do not.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use plimsoll_exec::{
    ExternalRecursionExec, ExternalRecursions, ExternalSorts, HybridHashAggregates, HybridHashJoins,
};
use tokio::time::sleep;

use crate::session::{self, Outcome};

/// A graph of 4000 nodes in rings of 20, with a way from a ring to the next in each eight, and some ways twice.
const WAYS: &str = "ways AS (
    SELECT value AS a, CASE WHEN value % 20 = 19 THEN value - 19 ELSE value + 1 END AS b FROM range(4000)
    UNION ALL SELECT value * 20, value * 20 + 20 FROM range(199) WHERE value % 8 < 7
    UNION ALL SELECT value * 50, value * 50 + 1 FROM range(79))";

/// Each with how many rows it has, if that is told by what it asks.
const QUERIES: [(&str, Option<usize>); 9] = [
    (
        "r AS (SELECT value AS n, 0 AS step, repeat('x', 60) || value AS t FROM range(4000)
               UNION ALL SELECT n, step + 1, t FROM r WHERE step < 5) SELECT * FROM r",
        Some(24_000),
    ),
    // Columns in another order, one of them not at all.
    (
        "r AS (SELECT 1 AS step, value AS n, repeat('x', 60) || value AS t, value % 3 AS k FROM range(4000)
               UNION ALL SELECT step + 1, k, t, n + 1 FROM r WHERE k % 7 < 6 AND step < 4) SELECT k, t FROM r",
        None,
    ),
    // A chain of single rows.
    (
        "r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 700) SELECT n FROM r",
        Some(700),
    ),
    // None at all.
    (
        "r(n) AS (SELECT 1 WHERE 1 = 2 UNION SELECT n + 1 FROM r) SELECT n FROM r",
        Some(0),
    ),
    (
        "r AS (SELECT a, b FROM ways WHERE a % 20 = 0
               UNION SELECT r.a, ways.b FROM r JOIN ways ON r.b = ways.a) SELECT * FROM r",
        None,
    ),
    // Every row again in each step, and NULLs among them.
    (
        "r(n, t) AS (SELECT CASE WHEN value % 5 > 0 THEN value END, repeat('y', value % 40) FROM range(6000)
               UNION SELECT CASE WHEN n % 7 > 0 THEN n - 1 END, t FROM r) SELECT * FROM r",
        None,
    ),
    (
        "r(n, x) AS (SELECT value, CAST(value % 10 AS DOUBLE) / 4 FROM range(3000)
               UNION SELECT n / 2, x FROM r) SELECT n, x FROM r",
        None,
    ),
    // Steps that bring their rows together.
    (
        "r AS (SELECT value % 1000 AS k, value AS v FROM range(8000)
               UNION ALL SELECT k / 2, sum(v) FROM r WHERE k > 1 GROUP BY k / 2) SELECT * FROM r",
        None,
    ),
    // Lists, and one recursive query in another.
    (
        "r AS (SELECT value AS n, make_array(value, value + 1) AS l FROM range(2000)
               UNION SELECT n % 100, l FROM r),
         q AS (SELECT n, l FROM r WHERE n < 150 UNION ALL SELECT n + 50, l FROM q WHERE n < 150) SELECT * FROM q",
        None,
    ),
];

fn context(memory: Option<u64>, with_rules: bool) -> SessionContext {
    let rules: Vec<session::Rule> = match with_rules {
        true => vec![
            Arc::new(HybridHashJoins::new(8)),
            Arc::new(ExternalRecursions::new(8)),
            Arc::new(HybridHashAggregates::new(8)),
            Arc::new(ExternalSorts::new(true)),
        ],
        false => Vec::new(),
    };
    session::context(memory, 2, rules)
}

async fn outcome(context: &SessionContext, query: &str, metric: &str) -> Outcome {
    let query = format!("WITH RECURSIVE {WAYS}, {query}");
    session::outcome::<ExternalRecursionExec>(context, &query, metric).await
}

#[tokio::test]
async fn recursive_queries_answer_as_datafusion_does_whether_a_step_fits_or_not() {
    for (query, rows) in QUERIES {
        let stock = outcome(&context(None, false), query, "").await;
        assert_eq!(stock.rows, rows.unwrap_or(stock.rows), "{query}");
        for memory in [None, Some(2 << 20), Some(400 << 10)] {
            let ours = outcome(&context(memory, true), query, "spilled_steps").await;
            assert!(ours.operators > 0, "{query}");
            assert_eq!(ours.answer, stock.answer, "{query} in {memory:?}");
            if memory.is_none() {
                assert_eq!(ours.metric, 0, "{query}");
            }
        }
    }
}

#[tokio::test]
async fn steps_that_do_not_fit_go_to_disk() {
    let little = || context(Some(300 << 10), true);
    for (query, steps) in [(QUERIES[0].0, 4), (QUERIES[5].0, 1)] {
        let spilled = outcome(&little(), query, "spilled_steps").await;
        assert!(spilled.metric >= steps, "{query}: {}", spilled.metric);
        let bytes = outcome(&little(), query, "spilled_bytes").await;
        assert!(bytes.metric > 100 << 10, "{query}: {}", bytes.metric);
    }
    for (query, metric) in [(QUERIES[4].0, 1), (QUERIES[5].0, 1), (QUERIES[2].0, 0)] {
        let tables = outcome(&little(), query, "spilled_tables").await;
        assert_eq!(tables.metric, metric, "{query}");
    }
}

#[tokio::test]
async fn datafusion_fails_where_ours_finishes() {
    for at in [0, 5] {
        let (query, _) = QUERIES[at];
        let query = format!("WITH RECURSIVE {WAYS}, {query}");
        let frame = context(Some(300 << 10), false).sql(&query).await.unwrap();
        let error = frame.collect().await.unwrap_err().to_string();
        assert!(error.contains("RecursiveQuery"), "{error}");
    }
}

/// Memory and disk are free as soon as the tasks of a query that was left have ended.
async fn assert_nothing_is_left(runtime: &RuntimeEnv) {
    for _ in 0..500 {
        if runtime.memory_pool.reserved() == 0 && runtime.disk_manager.used_disk_space() == 0 {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "{} bytes of memory and {} of disk are held",
        runtime.memory_pool.reserved(),
        runtime.disk_manager.used_disk_space()
    );
}

#[tokio::test]
async fn a_recursive_query_without_end_can_be_left() {
    let context = context(Some(1 << 20), true);
    for query in [
        "WITH RECURSIVE r(n) AS (SELECT value FROM range(9000) UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
        "WITH RECURSIVE r(n) AS (SELECT value FROM range(9000) UNION SELECT n + 9000 FROM r) SELECT n FROM r",
    ] {
        let limited = context.sql(&format!("{query} LIMIT 100000")).await.unwrap();
        let batches = limited.collect().await.unwrap();
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(rows, 100_000);
        let mut rows = context
            .sql(query)
            .await
            .unwrap()
            .execute_stream()
            .await
            .unwrap();
        for _ in 0..200 {
            assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
        }
        drop(rows);
        assert_nothing_is_left(&context.runtime_env()).await;
    }
}

#[tokio::test]
async fn a_full_disk_ends_a_recursive_query_with_an_error() {
    let ample = context(Some(300 << 10), true);
    let disk = DiskManagerBuilder::default().with_max_temp_directory_size(50 << 10);
    let runtime = RuntimeEnvBuilder::from_runtime_env(&ample.runtime_env())
        .with_disk_manager_builder(disk)
        .build_arc()
        .unwrap();
    let state = SessionStateBuilder::new_from_existing(ample.state())
        .with_runtime_env(runtime)
        .build();
    let context = SessionContext::new_with_state(state);
    for at in [0, 5] {
        let query = format!("WITH RECURSIVE {WAYS}, {}", QUERIES[at].0);
        let frame = context.sql(&query).await.unwrap();
        let error = frame.collect().await.unwrap_err().to_string();
        assert!(error.contains("spill"), "{error}");
        assert_nothing_is_left(&context.runtime_env()).await;
    }
}
