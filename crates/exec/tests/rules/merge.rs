//! Sorts on several threads, whose rows are merged, in hardly any memory.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::buffer::BufferExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::prelude::SessionContext;
use plimsoll_exec::ExternalSorts;
use plimsoll_memory::TaskMemory;

use crate::session;

const ROWS: i64 = 20_000;

fn context(memory: Option<u64>, partitions: usize) -> SessionContext {
    session::context(memory, partitions, vec![Arc::new(ExternalSorts::new(true))])
}

/// The numbers of the rows in the order of the query.
async fn sorted(context: &SessionContext, query: &str) -> Vec<i64> {
    let plan = context.sql(query).await.unwrap();
    let plan = plan.create_physical_plan().await.unwrap();
    let merges = |plan: &Arc<dyn ExecutionPlan>| plan.name() == "OrderedMergeExec";
    let several = context.state().config().target_partitions() > 1;
    assert_eq!(merges(&plan), several, "{query}");
    let batches = collect(plan, context.task_ctx()).await;
    let batches = batches.unwrap_or_else(|error| panic!("{query}: {error}"));
    // The threads that the partitions ran on let go as soon as they come to it.
    let runtime = context.runtime_env();
    let held = || runtime.memory_pool.reserved() as u64 + runtime.disk_manager.used_disk_space();
    while held() > 0 {
        tokio::task::yield_now().await;
    }
    let numbers = batches.iter().flat_map(|batch| {
        batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    });
    numbers.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sorts_of_four_partitions_are_merged_in_two_megabytes_and_in_one() {
    let rows = format!(
        "SELECT value AS v, value * 7919 % 997 AS k, repeat('x', 300) || (value * 104729 % 999983) AS t FROM range({ROWS})"
    );
    for order in ["k, v", "t DESC"] {
        let query = format!("SELECT v, k, t FROM ({rows}) ORDER BY {order}");
        let expected = sorted(&context(None, 1), &query).await;
        assert_eq!(expected.len(), ROWS as usize);
        for (memory, partitions) in [(2 << 20, 4), (1 << 20, 4)] {
            let context = context(Some(memory), partitions);
            let found = sorted(&context, &query).await;
            let usage = TaskMemory::of(&context.runtime_env().memory_pool)
                .unwrap()
                .usage();
            assert!(usage.peak < 2 * memory, "{order} in {memory}: {usage:?}");
            assert!(found == expected, "{order} in {memory} on {partitions}");
        }
        let first = format!("{query} LIMIT 5000");
        let found = sorted(&context(Some(1 << 20), 4), &first).await;
        assert!(found == expected[..5000], "{order}");
    }
}

#[test]
fn no_buffer_that_may_be_refused_stays_below_a_merge() {
    let number = Field::new("number", DataType::Int64, false);
    let schema = Arc::new(Schema::new(vec![number]));
    let order = PhysicalSortExpr::new_default(col("number", &schema).unwrap());
    let scan = Arc::new(EmptyExec::new(schema).with_partitions(3));
    let buffer = Arc::new(BufferExec::new(scan, 1 << 20));
    let merge = SortPreservingMergeExec::new([order].into(), buffer);
    let plan = ExternalSorts::new(false).optimize(Arc::new(merge), &ConfigOptions::default());
    let plan = displayable(plan.unwrap().as_ref())
        .indent(false)
        .to_string();
    assert!(plan.starts_with("OrderedMergeExec"), "{plan}");
    assert!(!plan.contains("BufferExec"), "{plan}");
}
