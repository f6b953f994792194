//! What the output partitions of one execution share.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::joins::PartitionMode;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use super::bounds::{Bounds, Few};
use super::build_side::BuildSide;
use super::collect::collect;
use super::exec::HybridHashJoinExec;
use super::members::SharedMembers;
use super::probe_filter::ProbeFilter;
use super::resources::Resources;
use super::spec::Spec;
use crate::references::refers_to;

/// A build side that is being built, for all who wait for it.
pub(crate) type SharedBuild =
    Shared<BoxFuture<'static, std::result::Result<Arc<BuildSide>, Arc<DataFusionError>>>>;

/// What the output partitions of one execution of a join share.
pub(crate) struct Running<T> {
    /// Those that have started.
    started: HashSet<usize>,
    shared: Option<T>,
}

impl<T> Default for Running<T> {
    fn default() -> Self {
        Self {
            started: HashSet::new(),
            shared: None,
        }
    }
}

impl<T: Clone> Running<T> {
    /// What partition number `partition` of so many shares with the others. The first partition of an execution
    /// makes it, be it the plan's second execution.
    pub(crate) fn start(
        &mut self,
        partition: usize,
        partitions: usize,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if !self.started.insert(partition) {
            *self = Self::default();
            self.started.insert(partition);
        }
        let shared = match self.shared.take() {
            Some(shared) => shared,
            None => make()?,
        };
        if self.started.len() < partitions {
            self.shared = Some(shared.clone());
        } else {
            // Who has started has a hold on it; the plan itself keeps nothing in memory.
            *self = Self::default();
        }
        Ok(shared)
    }
}

/// What the partitions of a hash join share: the build side, unless each has its own, and the filter for the probe side.
pub(crate) type Shares = (Option<SharedBuild>, Option<Arc<ProbeFilter>>);

/// Begins to read a build side, for all who wait for it.
pub(crate) fn shared(
    build: impl Future<Output = Result<Arc<BuildSide>>> + Send + 'static,
) -> SharedBuild {
    build.map(|build| build.map_err(Arc::new)).boxed().shared()
}

impl HybridHashJoinExec {
    fn dynamic_filter(&self) -> Option<Arc<DynamicFilterPhysicalExpr>> {
        let filter = self
            .join
            .dynamic_expressions_produced()
            .into_iter()
            .next()?;
        let filter: Arc<dyn Any + Send + Sync> = filter;
        filter.downcast().ok()
    }

    /// The filter for the probe side, if something in it looks at it.
    fn probe_filter(
        &self,
        reports: usize,
        resources: &Resources,
        context: &TaskContext,
    ) -> Result<Option<Arc<ProbeFilter>>> {
        let Some(filter) = self.dynamic_filter() else {
            return Ok(None);
        };
        let Some(id) = filter.expression_id() else {
            return Ok(None);
        };
        if !refers_to(&self.join.right, id)? {
            return Ok(None);
        }
        let keys = self
            .join
            .on
            .iter()
            .map(|(_, probe)| Arc::clone(probe))
            .collect();
        let schema = self.join.right.schema();
        let (equality, null_aware) = (self.join.null_equality, self.join.null_aware);
        let members = SharedMembers::new(context.memory_pool(), resources.reservation());
        Ok(Some(ProbeFilter::new(
            filter, keys, schema, equality, null_aware, members, reports,
        )))
    }

    /// Begins to build, when first asked for; a build side that all partitions share is built once.
    pub(crate) fn build(
        &self,
        partition: usize,
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
        context: &Arc<TaskContext>,
    ) -> Result<(SharedBuild, Option<Arc<ProbeFilter>>)> {
        let probes = self.join.right.output_partitioning().partition_count();
        let is_shared = self.join.mode == PartitionMode::CollectLeft;
        let of_side = |side: usize, threads: usize, filter: Option<&Arc<ProbeFilter>>| {
            self.build_one(side, threads, filter, spec, resources, context)
        };
        let (build, filter) = self.running.lock().start(partition, probes, || {
            let reports = if is_shared { 1 } else { probes };
            let filter = self.probe_filter(reports, resources, context)?;
            let build = is_shared.then(|| of_side(0, probes, filter.as_ref()));
            Ok((build.transpose()?, filter))
        })?;
        let build = match build {
            Some(build) => build,
            None => of_side(partition, 1, filter.as_ref())?,
        };
        Ok((build, filter))
    }

    /// Begins to build partition number `side` of the build side, for so many threads.
    fn build_one(
        &self,
        side: usize,
        threads: usize,
        filter: Option<&Arc<ProbeFilter>>,
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
        context: &Arc<TaskContext>,
    ) -> Result<SharedBuild> {
        let input = self.join.left.execute(side, Arc::clone(context))?;
        let options = context.session_config().options();
        let few = Few {
            values: options
                .optimizer
                .hash_join_inlist_pushdown_max_distinct_values,
            bytes: options.optimizer.hash_join_inlist_pushdown_max_size,
        };
        let bounds = filter
            .map(|filter| Bounds::new(&spec.build_keys, &spec.build_schema, few, filter.sketch()));
        let bounds = bounds.transpose()?;
        let report = filter.map(ProbeFilter::report);
        let (spec, resources) = (Arc::clone(spec), Arc::clone(resources));
        Ok(shared(async move {
            let (build, bounds) = collect(spec, resources, input, threads, bounds).await?;
            if let (Some(report), Some(bounds)) = (report, bounds) {
                report.deliver(bounds.finish()?)?;
            }
            Ok(build)
        }))
    }
}
