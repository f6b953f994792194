//! Window functions over partitions that fit and partitions that do not.

use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use plimsoll_exec::{ExternalSorts, ExternalWindowExec, ExternalWindows};
use plimsoll_memory::{Region, TaskMemory, UnifiedMemory};

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
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        let memory = UnifiedMemory::new(Region::new(bytes, 0), Region::EMPTY);
        runtime = runtime.with_memory_pool(TaskMemory::new(memory));
    }
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_batch_size(256);
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime.build_arc().unwrap())
        .with_default_features();
    if with_rules {
        state = state
            .with_physical_optimizer_rule(Arc::new(ExternalWindows))
            .with_physical_optimizer_rule(Arc::new(ExternalSorts::new(true)));
    }
    SessionContext::new_with_state(state.build())
}

struct Outcome {
    answer: String,
    windows: usize,
    spilled_partitions: usize,
    runtime: Arc<RuntimeEnv>,
}

async fn outcome(context: &SessionContext, key: &str, functions: &str) -> Outcome {
    let rows = format!(
        "SELECT value AS v, {key} AS k, value * 7 % 31 AS w, repeat('x', 1 + CAST(value % 90 AS INT)) || value AS t \
         FROM range({ROWS})"
    );
    let query = format!("SELECT v, k, {functions} FROM ({rows})");
    let plan = context.sql(&query).await.unwrap();
    let plan = plan.create_physical_plan().await.unwrap();
    let batches = collect(Arc::clone(&plan), context.task_ctx())
        .await
        .unwrap_or_else(|error| panic!("{query}: {error}"));
    let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(rows, ROWS, "{query}");
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let (mut windows, mut spilled_partitions) = (0, 0);
    let node: Arc<dyn ExecutionPlan> = plan;
    node.apply(|node| {
        if node.is::<ExternalWindowExec>() {
            windows += 1;
            let metrics = node.metrics().unwrap();
            let spilled = metrics.sum_by_name("spilled_partitions");
            spilled_partitions += spilled.map_or(0, |spilled| spilled.as_usize());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    Outcome {
        answer: lines.join("\n"),
        windows,
        spilled_partitions,
        runtime: context.runtime_env(),
    }
}

#[tokio::test]
async fn windows_answer_as_datafusion_does_whether_a_partition_fits_or_not() {
    for functions in FUNCTIONS {
        for key in KEYS {
            let stock = outcome(&context(None, false), key, functions).await;
            for memory in [None, Some(1 << 20)] {
                let ours = outcome(&context(memory, true), key, functions).await;
                let case = format!("{functions} by {key} in {memory:?}");
                assert!(ours.windows > 0, "{case}");
                assert_eq!(ours.answer, stock.answer, "{case}");
                if memory.is_none() {
                    assert_eq!(ours.spilled_partitions, 0, "{case}");
                }
                assert_eq!(ours.runtime.memory_pool.reserved(), 0, "{case}");
                assert_eq!(ours.runtime.disk_manager.used_disk_space(), 0, "{case}");
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
        assert_eq!(ours.spilled_partitions, 1, "{functions}");
        let stock = outcome(&context(None, false), "1", functions).await;
        assert_eq!(ours.answer, stock.answer);
    }
}
