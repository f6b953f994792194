use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, exec_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::utils::{ColumnIndex, build_join_schema};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    ExecutionPlanProperties, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_execution::async_try_stream;
use parking_lot::Mutex;

use super::metrics::JoinMetrics;
use super::output::Output;
use super::resources::Resources;
use super::running::{Running, Shares};
use super::spec::Spec;
use super::stream::Prober;
use crate::broadcast::build::{Broadcast, Building};
use crate::broadcast::{BroadcastChoice, BroadcastOutcome, Side};

/// A hash join that keeps to its memory.
///
/// It is planned as a [`HashJoinExec`] and stands in its place: the plan's properties, statistics and
/// filters are that join's, and what differs is how it runs. Unlike
/// it, this one promises no order of its rows, since rows that went to disk come later than those that did
/// not.
pub struct HybridHashJoinExec {
    pub(crate) join: HashJoinExec,
    /// How many partitions a build side that does not fit is cut into.
    partitions: usize,
    /// Whether it is a `NOT IN` whose set is the build side. The described join cannot say so, since the stock one knows
    /// `NOT IN` only with the set as the probe side.
    builds_set: bool,
    columns: Vec<ColumnIndex>,
    /// The build side's, if it is a broadcast.
    broadcast: Option<Arc<Broadcast>>,
    properties: Arc<PlanProperties>,
    pub(crate) running: Mutex<Running<Shares>>,
    metrics: ExecutionPlanMetricsSet,
}

impl HybridHashJoinExec {
    /// The same join as `join`, with at most so many partitions when it spills.
    ///
    /// # Errors
    /// If the join's properties cannot be computed.
    pub fn new(join: &HashJoinExec, partitions: usize) -> Result<Self> {
        let join = join.builder().build()?;
        let (_, columns) =
            build_join_schema(&join.left.schema(), &join.right.schema(), &join.join_type);
        let columns = match &join.projection {
            Some(projection) => projection
                .iter()
                .map(|column| columns[*column].clone())
                .collect(),
            None => columns,
        };
        let mut equivalences = join.properties().equivalence_properties().clone();
        equivalences.clear_orderings();
        let properties = join
            .properties()
            .as_ref()
            .clone()
            .with_eq_properties(equivalences);
        Ok(Self {
            join,
            partitions,
            builds_set: false,
            columns,
            broadcast: None,
            properties: Arc::new(properties),
            running: Mutex::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The `NOT IN` that `join` is, with its sides changed: the set is built, which is the smaller side as a rule, and the rows
    /// that are asked for stream past it on as many threads as they come on. Spark's null-aware anti join
    /// (`BroadcastHashJoinExec.isNullAwareAntiJoin`). `None` if `join` is no `NOT IN`, or one with a filter beside.
    ///
    /// # Errors
    /// If the join's properties cannot be computed.
    pub fn with_set_built(join: &HashJoinExec, partitions: usize) -> Result<Option<Self>> {
        if !join.null_aware || join.filter.is_some() {
            return Ok(None);
        }
        let plain = join.builder().with_null_aware(false).build()?;
        let swapped = plain.swap_inputs(PartitionMode::CollectLeft)?;
        let Some(swapped) = swapped.downcast_ref::<HashJoinExec>() else {
            return internal_err!("an anti join with its sides changed is {}", swapped.name());
        };
        let mut own = Self::new(swapped, partitions)?;
        own.builds_set = true;
        Ok(Some(own))
    }

    /// The join that this one stands for. It is a description and is not to be executed.
    pub fn described(&self) -> &HashJoinExec {
        &self.join
    }

    /// Where each column of the result comes from.
    pub(crate) fn columns(&self) -> &[ColumnIndex] {
        &self.columns
    }

    /// The same join with its build side as a broadcast.
    pub(crate) fn broadcasting(mut self, choice: BroadcastChoice) -> Self {
        self.broadcast = Some(Broadcast::new(choice));
        self
    }

    /// What has become of its broadcast, if it is a broadcast join whose build side has been read.
    pub fn broadcast(&self) -> Option<BroadcastOutcome> {
        self.broadcast.as_ref()?.outcome()
    }

    fn with_join(&self, join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
        let mut own = Self::new(join, self.partitions)?;
        own.builds_set = self.builds_set;
        Ok(Arc::new(match &self.broadcast {
            Some(broadcast) => own.broadcasting(broadcast.choice),
            None => own,
        }))
    }

    /// The keys of the join as the query has them, its left side on the left.
    fn keys(&self) -> String {
        let keys: Vec<String> = self
            .join
            .on
            .iter()
            .map(|(build, probe)| {
                let (build, probe) = (name(build), name(probe));
                match &self.broadcast {
                    Some(broadcast) if broadcast.choice.side == Side::Right => {
                        format!("{probe} = {build}")
                    }
                    _ => format!("{build} = {probe}"),
                }
            })
            .collect();
        keys.join(" AND ")
    }

    /// A plan made of the described join, with this one in its place.
    fn restore(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        in_place_of_join(plan, &|join| self.with_join(join))
    }

    fn spec(&self, context: &TaskContext) -> Spec {
        let (build_keys, probe_keys) = self.join.on.iter().cloned().unzip();
        Spec {
            join_type: self.join.join_type,
            null_equality: self.join.null_equality,
            null_aware: self.join.null_aware || self.builds_set,
            build_keys,
            probe_keys,
            filter: self.join.filter.clone(),
            columns: self.columns.clone(),
            schema: self.schema(),
            build_schema: self.join.left.schema(),
            probe_schema: self.join.right.schema(),
            batch_size: context.session_config().batch_size(),
        }
    }
}

/// A key as the query has it: a column without its place.
fn name(key: &Arc<dyn PhysicalExpr>) -> String {
    match key.downcast_ref::<Column>() {
        Some(column) => column.name().to_owned(),
        None => key.to_string(),
    }
}

impl fmt::Debug for HybridHashJoinExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HybridHashJoinExec")
            .field("join", &self.join)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for HybridHashJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Described<'a>(&'a HashJoinExec, DisplayFormatType);
        impl fmt::Display for Described<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt_as(self.1, f)
            }
        }
        let described = Described(&self.join, format).to_string();
        match described.strip_prefix("HashJoinExec") {
            Some(rest) => {
                write!(f, "HybridHashJoinExec{rest}")?;
                if self.builds_set {
                    f.write_str(", null_aware")?;
                }
                match &self.broadcast {
                    Some(broadcast) => write!(f, ", broadcast={}", broadcast.choice),
                    None => Ok(()),
                }
            }
            None => f.write_str(&described),
        }
    }
}

impl ExecutionPlan for HybridHashJoinExec {
    fn name(&self) -> &'static str {
        "HybridHashJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.input_distribution_requirements().into_per_child()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.join.input_distribution_requirements()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.join.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.join.apply_expressions(f)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.join.dynamic_expressions_produced()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let join: Arc<dyn ExecutionPlan> = Arc::new(self.join.builder().build()?);
        self.restore(join.replace_children(children, options)?)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        self.with_join(&self.join.builder().reset_state().build()?)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let builds = self.join.left.output_partitioning().partition_count();
        let probes = self.join.right.output_partitioning().partition_count();
        let name = match self.join.mode {
            PartitionMode::CollectLeft if builds == 1 => "HashJoin".to_owned(),
            PartitionMode::Partitioned if builds == probes => format!("HashJoin[{partition}]"),
            mode => {
                return internal_err!(
                    "a hash join of mode {mode:?} has {builds} partitions to build and {probes} to probe"
                );
            }
        };
        if partition >= probes {
            return exec_err!("a hash join of {probes} partitions has no partition {partition}");
        }
        let metrics = JoinMetrics::new(partition, &self.metrics);
        let baseline = metrics.baseline.clone();
        let broadcast = self.broadcast.as_ref().and_then(|broadcast| {
            Building::new(broadcast, self.keys(), partition, &self.metrics, &context)
        });
        let resources = Resources::new(name, &context, self.partitions, metrics, broadcast);
        let spec = Arc::new(self.spec(&context));
        let (build, filter) = self.build(partition, &spec, &resources, &context)?;
        let probe = self.join.right.execute(partition, context)?;
        let fetch = self.join.fetch();
        let rows = async_try_stream(move |emitter| async move {
            let output = Output::new(
                Arc::clone(&spec.schema),
                spec.batch_size,
                fetch,
                emitter,
                baseline,
            );
            let build = build.await.map_err(DataFusionError::Shared)?;
            if let Some(filter) = &filter {
                filter.complete().await;
            }
            let done = Prober::new(build, resources, output).run(probe).await;
            drop(filter);
            done
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.join.child_stats_requests(partition)
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.join.statistics_from_inputs(inputs, args)
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let swapped = self.join.try_swapping_with_projection(projection)?;
        swapped.map(|plan| self.restore(plan)).transpose()
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        self.join
            .gather_filters_for_pushdown(phase, parent_filters, config)
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let mut result =
            self.join
                .handle_child_pushdown_result(phase, child_pushdown_result, config)?;
        result.updated_node = result
            .updated_node
            .map(|plan| self.restore(plan))
            .transpose()?;
        Ok(result)
    }

    fn supports_limit_pushdown(&self) -> bool {
        self.join.supports_limit_pushdown()
    }

    fn fetch(&self) -> Option<usize> {
        self.join.fetch()
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        self.restore(self.join.with_fetch(limit)?).ok()
    }
}

/// A plan that is a stock join, or projections of one, with what `made_of` makes of the join in its place.
pub(crate) fn in_place_of_join(
    plan: Arc<dyn ExecutionPlan>,
    made_of: &dyn Fn(&HashJoinExec) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return made_of(join);
    }
    match plan.children().as_slice() {
        [only] if plan.is::<ProjectionExec>() => {
            let child = in_place_of_join(Arc::clone(only), made_of)?;
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            plan.replace_children(vec![child], options)
        }
        _ => Ok(plan),
    }
}
