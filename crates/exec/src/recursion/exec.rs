use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::work_table::WorkTableExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ReplaceChildrenOptions,
};
use datafusion_execution::async_try_stream;

use super::step::Recursion;
use super::table::{WorkingTable, columns_of, reading};
use crate::plan::{as_stock, replace};

/// A recursive query that sends what its steps come to to disk where it does not fit.
///
/// It is planned as a [`RecursiveQueryExec`] and stands in its place.
pub struct ExternalRecursionExec {
    query: Arc<RecursiveQueryExec>,
    partitions: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl ExternalRecursionExec {
    /// The same query as `plan`, if it is a recursive one of which the columns that its steps read can be told. What a
    /// `UNION` spills is cut into at most so many partitions.
    pub fn of(plan: &Arc<dyn ExecutionPlan>, partitions: usize) -> Result<Option<Self>> {
        let Some(query) = plan.downcast_ref::<RecursiveQueryExec>() else {
            return Ok(None);
        };
        let schema = plan.schema();
        let mut can_be_told = true;
        query.recursive_term().apply(|node| {
            let reader = node.downcast_ref::<WorkTableExec>();
            can_be_told &= reader
                .filter(|reader| reader.name() == query.name())
                .is_none_or(|reader| columns_of(reader, &schema).is_some());
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(can_be_told.then(|| Self {
            query: Arc::new(query.clone()),
            partitions,
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

impl fmt::Debug for ExternalRecursionExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalRecursionExec")
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for ExternalRecursionExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::plan::described(f, &*self.query, format, "RecursiveQueryExec", self.name())
    }
}

impl ExecutionPlan for ExternalRecursionExec {
    fn name(&self) -> &'static str {
        "ExternalRecursionExec"
    }

    as_stock!(query);

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = Arc::clone(&self.query).replace_children(children, options)?;
        Ok(match Self::of(&plan, self.partitions)? {
            Some(recursion) => Arc::new(recursion),
            None => plan,
        })
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!(
                "a recursive query has one partition, and {partition} is asked for"
            );
        }
        let table = Arc::new(WorkingTable::default());
        let schema = self.schema();
        let name = self.query.name();
        let step = reading(self.query.recursive_term(), name, &schema, &table)?;
        let start = self.query.static_term().execute(0, Arc::clone(&context))?;
        let is_distinct = self.query.is_distinct();
        let recursion = Recursion::new(
            (step, table),
            is_distinct.then_some(self.partitions),
            &schema,
            context,
            &self.metrics,
        )?;
        let rows = async_try_stream(move |emitter| recursion.run(start, emitter));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// Puts [`ExternalRecursionExec`] in place of every `RecursiveQueryExec` that it can stand for. It has its place at the end.
#[derive(Debug)]
pub struct ExternalRecursions {
    partitions: usize,
}

impl ExternalRecursions {
    /// The rule; what a `UNION` spills is cut into at most so many partitions.
    pub fn new(partitions: usize) -> Self {
        Self { partitions }
    }
}

impl PhysicalOptimizerRule for ExternalRecursions {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        replace(plan, |node| {
            ExternalRecursionExec::of(node, self.partitions)
        })
    }

    fn name(&self) -> &str {
        "ExternalRecursions"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
