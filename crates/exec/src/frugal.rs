use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::sorts::sort::SortExec;

/// Sorts everything and takes the first rows of it, where DataFusion keeps only the first rows at any
/// time (`TopK`).
///
/// `TopK` holds the rows of `LIMIT n` in memory and cannot spill them; an external sort can. Worth it
/// for a query that has run out of memory otherwise, and only there.
#[derive(Debug, Default)]
pub struct SortInPlaceOfTopK;

impl PhysicalOptimizerRule for SortInPlaceOfTopK {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(sort) = node.downcast_ref::<SortExec>() else {
                return Ok(Transformed::no(node));
            };
            let Some(fetch) = sort.fetch() else {
                return Ok(Transformed::no(node));
            };
            let all = SortExec::new(sort.expr().clone(), Arc::clone(sort.input()))
                .with_preserve_partitioning(sort.preserve_partitioning());
            let all = Arc::new(all);
            let first: Arc<dyn ExecutionPlan> = match sort.preserve_partitioning() {
                true => Arc::new(LocalLimitExec::new(all, fetch)),
                false => Arc::new(GlobalLimitExec::new(all, 0, Some(fetch))),
            };
            Ok(Transformed::yes(first))
        })
        .data()
    }

    fn name(&self) -> &str {
        "SortInPlaceOfTopK"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
