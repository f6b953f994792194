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

/// An execution of a join, as far as its output partitions have to know of each other.
#[derive(Default)]
pub(crate) struct Running {
    /// Those that have started.
    started: HashSet<usize>,
    build: Option<SharedBuild>,
    filter: Option<Arc<ProbeFilter>>,
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
        spec: Arc<Spec>,
        resources: Arc<Resources>,
        context: Arc<TaskContext>,
    ) -> Result<(SharedBuild, Option<Arc<ProbeFilter>>)> {
        let probes = self.join.right.output_partitioning().partition_count();
        let is_shared = self.join.mode == PartitionMode::CollectLeft;
        let mut running = self.running.lock();
        if running.started.is_empty() || !running.started.insert(partition) {
            // The first partition of an execution, be it the plan's second.
            let reports = if is_shared { 1 } else { probes };
            let filter = self.probe_filter(reports, &resources, &context)?;
            *running = Running {
                started: HashSet::from([partition]),
                build: None,
                filter,
            };
        }
        let build = match &running.build {
            Some(build) if is_shared => build.clone(),
            _ => {
                let input = self
                    .join
                    .left
                    .execute(if is_shared { 0 } else { partition }, Arc::clone(&context))?;
                let filter = running.filter.as_ref();
                let options = context.session_config().options();
                let few = Few {
                    values: options
                        .optimizer
                        .hash_join_inlist_pushdown_max_distinct_values,
                    bytes: options.optimizer.hash_join_inlist_pushdown_max_size,
                };
                let bounds = filter.map(|filter| {
                    Bounds::new(&spec.build_keys, &spec.build_schema, few, filter.sketch())
                });
                let bounds = bounds.transpose()?;
                let report = filter.map(ProbeFilter::report);
                let threads = if is_shared { probes } else { 1 };
                let build = async move {
                    let (build, bounds) = collect(spec, resources, input, threads, bounds).await?;
                    if let (Some(report), Some(bounds)) = (report, bounds) {
                        report.deliver(bounds.finish()?)?;
                    }
                    Ok::<_, DataFusionError>(build)
                };
                build.map(|build| build.map_err(Arc::new)).boxed().shared()
            }
        };
        let filter = running.filter.clone();
        if is_shared {
            running.build = Some(build.clone());
        }
        if running.started.len() == probes {
            // Who has started has a hold on it; the plan itself keeps nothing in memory.
            running.build = None;
            running.filter = None;
            running.started.clear();
        }
        Ok((build, filter))
    }
}
