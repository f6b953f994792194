//! Sessions with some of the rules, and what a query comes to in them.

use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use plimsoll_memory::{Region, TaskMemory, UnifiedMemory};

pub type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// A session of so many threads with so much execution memory (without a limit if it is `None`) and these rules behind
/// DataFusion's.
pub fn context(memory: Option<u64>, partitions: usize, rules: Vec<Rule>) -> SessionContext {
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        let memory = UnifiedMemory::new(Region::new(bytes, 0), Region::EMPTY);
        runtime = runtime.with_memory_pool(TaskMemory::new(memory));
    }
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(256);
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime.build_arc().unwrap())
        .with_default_features();
    for rule in rules {
        state = state.with_physical_optimizer_rule(rule);
    }
    SessionContext::new_with_state(state.build())
}

/// What a query has come to.
pub struct Outcome {
    /// Its rows as text, in no order.
    pub answer: String,
    pub rows: usize,
    /// How many of the operators looked for were in its plan.
    pub operators: usize,
    /// The sum of a metric of theirs.
    pub metric: usize,
}

/// Runs a query, after which neither memory nor disk is held. `P` is the operator to look for.
pub async fn outcome<P: ExecutionPlan>(
    context: &SessionContext,
    query: &str,
    metric: &str,
) -> Outcome {
    let plan = context.sql(query).await;
    let plan = plan.unwrap_or_else(|error| panic!("{query}: {error}"));
    let plan = plan.create_physical_plan().await.unwrap();
    let batches = collect(Arc::clone(&plan), context.task_ctx())
        .await
        .unwrap_or_else(|error| panic!("{query}: {error}"));
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let (mut operators, mut sum) = (0, 0);
    plan.apply(|node| {
        if node.is::<P>() {
            operators += 1;
            let metrics = node.metrics().unwrap();
            let metric = metrics.sum(|found| found.value().name() == metric);
            sum += metric.map_or(0, |metric| metric.as_usize());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    let runtime = context.runtime_env();
    assert_eq!(runtime.memory_pool.reserved(), 0, "{query}");
    assert_eq!(runtime.disk_manager.used_disk_space(), 0, "{query}");
    Outcome {
        answer: lines.join("\n"),
        rows: batches.iter().map(|batch| batch.num_rows()).sum(),
        operators,
        metric: sum,
    }
}
