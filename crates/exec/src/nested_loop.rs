use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// Gives nested-loop joins that report on build rows (LEFT, LEFT SEMI, LEFT ANTI, LEFT MARK, FULL) a
/// single probe partition.
///
/// When DataFusion's `NestedLoopJoinExec` is refused memory for its build side it reads that side in
/// chunks, and each probe partition then keeps its own record of which build rows it matched. With
/// more than one probe partition each of them reports the rows that *it* did not match: rows appear
/// twice, or as unmatched although another partition matched them (a note in its source says so, and
/// FULL joins with several partitions do not spill at all for that reason). With one partition the
/// record is whole, at the price of probing on one thread.
#[derive(Debug, Default)]
pub struct OneProbeForSpillingNestedLoops;

impl PhysicalOptimizerRule for OneProbeForSpillingNestedLoops {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else {
                return Ok(Transformed::no(node));
            };
            if !reports_on_build_rows(join.join_type())
                || join.right().output_partitioning().partition_count() == 1
            {
                return Ok(Transformed::no(node));
            }
            let probe = Arc::new(CoalescePartitionsExec::new(Arc::clone(join.right())));
            let build = Arc::clone(join.left());
            replace_children_if_necessary(node, vec![build, probe]).map(Transformed::yes)
        })
        .data()
    }

    fn name(&self) -> &str {
        "OneProbeForSpillingNestedLoops"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn reports_on_build_rows(join: &JoinType) -> bool {
    matches!(
        join,
        JoinType::Left
            | JoinType::LeftSemi
            | JoinType::LeftAnti
            | JoinType::LeftMark
            | JoinType::Full
    )
}
