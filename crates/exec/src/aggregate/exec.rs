use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode,
    ReplaceChildrenOptions,
};
use datafusion_execution::async_try_stream;

use super::intake::Work;
use super::stream::Aggregation;
use super::table::Spec;
use crate::plan::{as_stock, replace};

/// An aggregate by group, by hash, that sends its groups to disk in partitions where they do not fit.
///
/// It is planned as an [`AggregateExec`] and stands in its place. The plan of an aggregate that is spilled follows the
/// hybrid hash joins of DeWitt et al. (*Implementation Techniques for Main Memory Database Systems*, 1984), without
/// partitions that stay in memory.
pub struct HybridHashAggregateExec {
    aggregate: Arc<AggregateExec>,
    partitions: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl HybridHashAggregateExec {
    /// The same aggregate as `plan`, if it is one by hash that has no limit. What is spilled is cut
    /// into at most so many partitions.
    pub fn of(plan: &Arc<dyn ExecutionPlan>, partitions: usize) -> Option<Self> {
        let aggregate = plan.downcast_ref::<AggregateExec>()?;
        let is_grouped = !aggregate.group_expr().is_true_no_grouping();
        let merges_states_to_states = *aggregate.mode() == AggregateMode::PartialReduce;
        // With groups in order few are held at a time; with a limit, few at all.
        let is_by_hash = *aggregate.input_order_mode() == InputOrderMode::Linear;
        let is_ours = is_grouped
            && !merges_states_to_states
            && is_by_hash
            && aggregate.limit_options().is_none();
        is_ours.then(|| Self {
            aggregate: Arc::new(aggregate.clone()),
            partitions,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl fmt::Debug for HybridHashAggregateExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HybridHashAggregateExec")
            .field("aggregate", &self.aggregate)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for HybridHashAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::plan::described(f, &*self.aggregate, format, "AggregateExec", self.name())
    }
}

impl ExecutionPlan for HybridHashAggregateExec {
    fn name(&self) -> &'static str {
        "HybridHashAggregateExec"
    }

    as_stock!(aggregate);

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = Arc::clone(&self.aggregate).replace_children(children, options)?;
        Ok(match Self::of(&plan, self.partitions) {
            Some(aggregate) => Arc::new(aggregate),
            None => plan,
        })
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.aggregate.input();
        let rows = input.execute(partition, Arc::clone(&context))?;
        let spec = Spec::new(&self.aggregate)?;
        let work = Work::new(partition, spec, self.partitions, &context, &self.metrics);
        let stock = Arc::clone(&self.aggregate);
        let of_nothing = move || {
            let nothing = Arc::new(EmptyExec::new(stock.input().schema()));
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            let plan = stock.replace_children(vec![nothing], options)?;
            plan.execute(0, context)
        };
        let rows =
            async_try_stream(move |emitter| Aggregation { work, emitter }.run(rows, of_nothing));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        self.aggregate.cardinality_effect()
    }
}

/// Puts [`HybridHashAggregateExec`] in place of every aggregate that it can stand for. It has its place behind the rules
/// that tell aggregates of limits and orders.
#[derive(Debug)]
pub struct HybridHashAggregates {
    partitions: usize,
}

impl HybridHashAggregates {
    /// The rule; what is spilled is cut into at most so many partitions.
    pub fn new(partitions: usize) -> Self {
        Self { partitions }
    }
}

impl PhysicalOptimizerRule for HybridHashAggregates {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        replace(plan, |node| {
            Ok(HybridHashAggregateExec::of(node, self.partitions))
        })
    }

    fn name(&self) -> &str {
        "HybridHashAggregates"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
