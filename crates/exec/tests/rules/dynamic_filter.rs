//! The rows of a scan that a join's build side rules out are dropped at the scan, and no others.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use plimsoll_exec::{DynamicFilters, HybridHashJoins};

const ROWS: usize = 80_000;

/// Two tables of Parquet: `small` has a thousandth of the keys of `large`, far apart, and some NULLs.
async fn write(directory: &Path) {
    let context = SessionContext::new();
    let large = format!(
        "SELECT value AS k, CASE WHEN value % 1000 = 7 THEN NULL ELSE value * 3 END AS n,
             'key ' || (value % 5000) AS s, value % 7 AS v
         FROM generate_series(1, {ROWS})"
    );
    let small = "SELECT k, n, s, v FROM large WHERE k % 1000 = 7 OR k % 3001 = 5 ORDER BY s";
    for (name, sql) in [("large", large.as_str()), ("small", small)] {
        let path = directory.join(format!("{name}.parquet"));
        let path = path.to_str().unwrap();
        let rows = context.sql(sql).await.unwrap();
        rows.write_parquet(path, DataFrameWriteOptions::new(), None)
            .await
            .unwrap();
        context
            .register_parquet(name, path, ParquetReadOptions::default())
            .await
            .unwrap();
    }
}

async fn context(directory: &Path, ours: bool, threads: usize) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(threads);
    let optimizer = &mut config.options_mut().optimizer;
    // Both kinds of join, shared and in partitions, and filters that are no list.
    let shared = if threads == 1 { 1 << 20 } else { 0 };
    optimizer.hash_join_single_partition_threshold_rows = shared;
    optimizer.hash_join_single_partition_threshold = shared;
    optimizer.hash_join_inlist_pushdown_max_distinct_values = 10;
    // DataFusion itself pushes some to the wrong columns.
    optimizer.enable_dynamic_filter_pushdown = ours;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .build();
    if ours {
        let mut rules = HybridHashJoins::new(8).add_to(state.physical_optimizers());
        rules.push(Arc::new(DynamicFilters));
        state = SessionStateBuilder::new_from_existing(state)
            .with_physical_optimizer_rules(rules)
            .build();
    }
    let context = SessionContext::new_with_state(state);
    for name in ["large", "small"] {
        let path = directory.join(format!("{name}.parquet"));
        context
            .register_parquet(name, path.to_str().unwrap(), ParquetReadOptions::default())
            .await
            .unwrap();
    }
    context
}

/// The rows of a query as text, and how many rows of scans were dropped.
async fn run(context: &SessionContext, sql: &str) -> (String, usize) {
    let plan = context.sql(sql).await.unwrap();
    let plan = plan.create_physical_plan().await.unwrap();
    let rows = collect(Arc::clone(&plan), context.task_ctx())
        .await
        .unwrap();
    (
        pretty_format_batches(&rows).unwrap().to_string(),
        dropped(&plan),
    )
}

fn dropped(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let metrics = plan.metrics();
    let here = metrics.and_then(|metrics| metrics.sum_by_name("dropped_rows"));
    let here = here.map_or(0, |metric| metric.as_usize());
    here + plan.children().into_iter().map(dropped).sum::<usize>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_without_a_partner_are_dropped_at_the_scan_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path()).await;
    // The key, and whether the rows of `large` that match are few.
    let keys = [
        ("l.k = r.k", true),
        ("l.n = r.n", true),
        ("l.s = r.s", true),
        ("l.k = r.k AND l.s = r.s", true),
        ("l.n IS NOT DISTINCT FROM r.n", true),
        ("l.k + 1 = r.k + 1", true),
        ("l.v = r.v", false),
    ];
    for threads in [1, 4] {
        let stock = context(directory.path(), false, threads).await;
        let ours = context(directory.path(), true, threads).await;
        for (on, are_few) in keys {
            for join in [
                "JOIN",
                "LEFT JOIN",
                "RIGHT JOIN",
                "LEFT SEMI JOIN",
                "LEFT ANTI JOIN",
            ] {
                let columns = match join {
                    "LEFT SEMI JOIN" | "LEFT ANTI JOIN" => "count(*), sum(l.k), min(l.s)",
                    _ => "count(*), sum(l.k), sum(r.k), min(l.s), max(r.s)",
                };
                let sql = format!("SELECT {columns} FROM large l {join} small r ON {on}");
                let (expected, _) = run(&stock, &sql).await;
                let (rows, dropped) = run(&ours, &sql).await;
                assert_eq!(rows, expected, "{sql}, {threads} threads");
                let filters = matches!(join, "JOIN" | "LEFT SEMI JOIN");
                if filters && are_few && !on.contains('+') {
                    assert!(dropped > ROWS / 2, "{dropped} dropped: {sql}");
                } else if !filters && join != "RIGHT JOIN" {
                    assert_eq!(dropped, 0, "{sql}");
                }
            }
        }
    }
}

/// Where columns have one name, or change places, DataFusion 55 takes one for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_reaches_the_column_that_its_keys_come_from_or_none() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path()).await;
    let queries = [
        // The join below hands out two columns `k`.
        "SELECT count(*), sum(a.k), sum(b.v) FROM small s JOIN (large a JOIN large b ON a.k = b.k + 1) ON s.k = b.k",
        "SELECT count(*), sum(a.v), sum(b.k) FROM small s JOIN (large a JOIN large b ON a.k = b.k + 1) ON s.k = a.k",
        // The second half hands out its columns the other way round.
        "SELECT count(*), sum(u.v) FROM small s JOIN
            (SELECT k, v FROM large UNION ALL SELECT DISTINCT v, k FROM large) u ON s.k = u.k",
        // A column of the inner query that has the name of the outer query's key.
        "SELECT count(*) FROM small d JOIN large l ON d.k = l.k
            WHERE EXISTS (SELECT 1 FROM large r WHERE r.n = l.n AND r.k > l.v)",
        "SELECT count(*) FROM small d JOIN large l ON d.k = l.k WHERE l.k IN (SELECT CAST(k AS INT) FROM large)",
        "SELECT count(*) FROM small d JOIN large l ON d.k = l.k JOIN (SELECT k, max(n) AS n FROM large GROUP BY k) g
            ON g.k = l.k LEFT JOIN small e ON e.k = g.k",
        // Few keys, one of them 0.0.
        "SELECT count(*) FROM (SELECT CAST(0 AS DOUBLE) AS z, k FROM small WHERE k < 2000) s
            JOIN large l ON s.z = CAST(-0.0 AS DOUBLE) * l.k AND s.k = l.k",
    ];
    for threads in [1, 4] {
        let stock = context(directory.path(), false, threads).await;
        let ours = context(directory.path(), true, threads).await;
        for sql in queries {
            let (expected, _) = run(&stock, sql).await;
            let (rows, _) = run(&ours, sql).await;
            assert_eq!(rows, expected, "{sql}, {threads} threads");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zero_has_two_signs_and_is_one_key() {
    let directory = tempfile::tempdir().unwrap();
    let writer = SessionContext::new();
    for (name, zero) in [("large", "-0.0"), ("small", "0.0")] {
        let sql = format!("SELECT CAST({zero} AS DOUBLE) AS k FROM generate_series(1, 5)");
        let path = directory.path().join(format!("{name}.parquet"));
        let rows = writer.sql(&sql).await.unwrap();
        rows.write_parquet(path.to_str().unwrap(), DataFrameWriteOptions::new(), None)
            .await
            .unwrap();
    }
    let ours = context(directory.path(), true, 1).await;
    let stock = context(directory.path(), false, 1).await;
    let sql = "SELECT count(*) FROM large l JOIN small s ON l.k = s.k";
    assert_eq!(run(&ours, sql).await.0, run(&stock, sql).await.0);
}
