use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use super::{exec, running};
use crate::plan::replace;

/// Puts [`ExternalWindowExec`](super::ExternalWindowExec) in place of every `WindowAggExec` that is ready to run, and
/// [`RunningWindowExec`](super::RunningWindowExec) in that of every `BoundedWindowAggExec`. It has its place at the end.
#[derive(Debug, Default)]
pub struct ExternalWindows;

impl PhysicalOptimizerRule for ExternalWindows {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = replace(plan, |node| Ok(exec::of_plan(node)))?;
        replace(plan, |node| Ok(running::of_plan(node)))
    }

    fn name(&self) -> &str {
        "ExternalWindows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
