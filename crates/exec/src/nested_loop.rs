//! Joins without keys that keep to their memory.
//!
//! DataFusion's `CrossJoinExec` fails when its build side does not fit. Its `NestedLoopJoinExec` then reads that side in
//! chunks, from a second execution of its input, and each probe partition keeps a record of its own of which build rows
//! it has matched: of joins that report on build rows, several partitions report the same rows.
//!
//! [`BlockNestedLoopJoinExec`] is what a [hybrid hash join](crate::HybridHashJoinExec) comes to when all rows have one
//! and the same key: the build side is one partition, which is in memory or on disk as a whole; from disk it is joined
//! chunk by chunk, each chunk as large as memory has room for, with the probe rows set aside (the block nested-loop join
//! of the textbooks). So it shares all but the search for pairs with that join.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, JoinType, NullEquality, Result, exec_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};
use datafusion_execution::async_try_stream;
use parking_lot::Mutex;

use crate::hash_join::{
    JoinMetrics, Output, Prober, Resources, Running, SharedBuild, Spec, collect, shared,
};
use crate::plan::{as_stock, replace};

/// A cross join or nested-loop join that keeps to its memory: its build side is the left one, in one partition, and
/// goes to disk when it does not fit.
pub struct BlockNestedLoopJoinExec {
    /// The join that this one stands for: its properties and statistics are this one's. It is not to be executed.
    join: Arc<dyn ExecutionPlan>,
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    join_type: JoinType,
    filter: Option<JoinFilter>,
    /// Where each column of the result comes from.
    columns: Vec<ColumnIndex>,
    running: Mutex<Running<SharedBuild>>,
    metrics: ExecutionPlanMetricsSet,
}

impl BlockNestedLoopJoinExec {
    /// The same join as `plan`, if that is a [`CrossJoinExec`] or a [`NestedLoopJoinExec`].
    pub fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        let (join_type, filter, projection) = match plan.downcast_ref::<NestedLoopJoinExec>() {
            Some(join) => (
                *join.join_type(),
                join.filter().cloned(),
                join.projection().clone(),
            ),
            None if plan.is::<CrossJoinExec>() => (JoinType::Inner, None, None),
            None => return None,
        };
        let [left, right] = plan.children()[..] else {
            return None;
        };
        let (_, columns) = build_join_schema(&left.schema(), &right.schema(), &join_type);
        let columns = match projection {
            Some(kept) => kept.iter().map(|column| columns[*column].clone()).collect(),
            None => columns,
        };
        Some(Self {
            join: Arc::clone(plan),
            left: Arc::clone(left),
            right: Arc::clone(right),
            join_type,
            filter,
            columns,
            running: Mutex::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    fn spec(&self, context: &TaskContext) -> Spec {
        Spec {
            join_type: self.join_type,
            null_equality: NullEquality::NullEqualsNothing,
            null_aware: false,
            build_keys: Vec::new(),
            probe_keys: Vec::new(),
            filter: self.filter.clone(),
            columns: self.columns.clone(),
            schema: self.schema(),
            build_schema: self.left.schema(),
            probe_schema: self.right.schema(),
            batch_size: context.session_config().batch_size(),
        }
    }
}

impl fmt::Debug for BlockNestedLoopJoinExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockNestedLoopJoinExec")
            .field("join", &self.join)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for BlockNestedLoopJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if format == DisplayFormatType::TreeRender {
            return self.join.fmt_as(format, f);
        }
        write!(f, "BlockNestedLoopJoinExec: join_type={}", self.join_type)?;
        if let Some(filter) = &self.filter {
            write!(f, ", filter={}", filter.expression())?;
        }
        Ok(())
    }
}

impl ExecutionPlan for BlockNestedLoopJoinExec {
    fn name(&self) -> &'static str {
        "BlockNestedLoopJoinExec"
    }

    as_stock!(join);

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let join = Arc::clone(&self.join).replace_children(children, options)?;
        Ok(match Self::of(&join) {
            Some(own) => Arc::new(own),
            None => join,
        })
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let builds = self.left.output_partitioning().partition_count();
        let probes = self.right.output_partitioning().partition_count();
        if builds != 1 || partition >= probes {
            return exec_err!(
                "a nested-loop join of {builds} partitions with {probes} has no partition {partition}"
            );
        }
        let metrics = JoinMetrics::new(partition, &self.metrics);
        let baseline = metrics.baseline.clone();
        let resources = Resources::new("NestedLoopJoin".to_owned(), &context, 1, metrics, None);
        let spec = Arc::new(self.spec(&context));
        let build = self.running.lock().start(partition, probes, || {
            let input = self.left.execute(0, Arc::clone(&context))?;
            let (spec, resources) = (Arc::clone(&spec), Arc::clone(&resources));
            Ok(shared(async move {
                let (build, _) = collect(spec, resources, input, probes, None).await?;
                Ok(build)
            }))
        })?;
        let probe = self.right.execute(partition, context)?;
        let rows = async_try_stream(move |emitter| async move {
            let schema = Arc::clone(&spec.schema);
            let output = Output::new(schema, spec.batch_size, None, emitter, baseline);
            let build = build.await.map_err(DataFusionError::Shared)?;
            Prober::new(build, resources, output).run(probe).await
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// Puts [`BlockNestedLoopJoinExec`] in place of every `CrossJoinExec` and `NestedLoopJoinExec`. It has its place at the
/// end, when sides are chosen and filters are where they belong.
#[derive(Debug, Default)]
pub struct BlockNestedLoopJoins;

impl PhysicalOptimizerRule for BlockNestedLoopJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        replace(plan, |node| Ok(BlockNestedLoopJoinExec::of(node)))
    }

    fn name(&self) -> &str {
        "BlockNestedLoopJoins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
