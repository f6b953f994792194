use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::buffer::BufferExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::exec::ExternalSortExec;
use super::keys::KeyEncoder;
use super::ordered;
use crate::plan::replace;
use crate::references::refers_to;

/// Puts [`ExternalSortExec`] in place of every `SortExec` that is ready to run, and [`OrderedMergeExec`](super::OrderedMergeExec)
/// in that of every `SortPreservingMergeExec`.
///
/// The first rows of a small limit are left to DataFusion's `TopK` where that tells a scan which rows can
/// still be among them, unless memory was found to be short for it. The last of the rules: nothing is
/// pushed through a sort any more.
#[derive(Debug)]
pub struct ExternalSorts {
    is_short: bool,
}

/// The most rows that `TopK` is left with, which cannot spill them.
const FEW: usize = 8192;

impl ExternalSorts {
    /// The rule; for a plan that has failed for lack of memory, if it `is_short`.
    pub fn new(is_short: bool) -> Self {
        Self { is_short }
    }

    fn replaces(&self, sort: &SortExec) -> Result<bool> {
        let input = sort.input();
        if !KeyEncoder::supports(sort.expr(), &input.schema())
            || input
                .equivalence_properties()
                .ordering_satisfy(sort.expr().clone())?
        {
            return Ok(false);
        }
        let filters_a_scan = match sort.dynamic_expressions_produced().first() {
            Some(filter) => match filter.expression_id() {
                Some(id) => refers_to(input, id)?,
                None => false,
            },
            None => false,
        };
        let is_few = sort.fetch().is_some_and(|rows| rows <= FEW);
        Ok(self.is_short || !(filters_a_scan && is_few))
    }
}

/// The plan without the buffers that DataFusion puts between a scan in order and a merge: they fail when they are refused
/// memory, after rows were delivered, and our merge reads a batch ahead.
fn without_buffers(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        Ok(match node.downcast_ref::<BufferExec>() {
            Some(buffer) => Transformed::yes(Arc::clone(buffer.input())),
            None => Transformed::no(node),
        })
    })
    .data()
}

impl PhysicalOptimizerRule for ExternalSorts {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = replace(plan, |node| match node.downcast_ref::<SortExec>() {
            Some(sort) if self.replaces(sort)? => Ok(Some(ExternalSortExec::new(sort))),
            _ => Ok(None),
        })?;
        replace(without_buffers(plan)?, |node| Ok(ordered::of_plan(node)))
    }

    fn name(&self) -> &str {
        "ExternalSorts"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
