//! Window functions that are told as their rows come: running totals, ranks, `lag`, frames of rows before and behind.
//!
//! DataFusion's `BoundedWindowAggExec` holds what no frame is through with and reserves nothing for it: all rows that are
//! equal in the order, all up to the one that `lead` asks for, with all their columns. [`RunningWindowExec`] takes that apart:
//!
//! - The rows [wait](waiting), in memory or on disk, until every function has a value for them.
//! - The columns that functions ask for stay in memory as long as a [frame](stream) may need them, reserved.
//! - Each [function](function) runs ahead of what was handed on by a batch at most.

mod function;
mod stream;
mod waiting;

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, ReplaceChildrenOptions,
};
use datafusion_execution::async_try_stream;

use self::function::{Function, Most};
use self::stream::Running;
use self::waiting::Waiting;
use super::compute::Functions;
use crate::plan::as_stock;

/// Bytes of values that wait to be handed on, at most, if one has no more: this part of the memory, within bounds.
const VALUES_PART: usize = 128;
const VALUES: std::ops::RangeInclusive<usize> = (256 << 10)..=(4 << 20);

/// Window functions over sorted rows that tells them as the rows come, and keeps on disk what has to wait and does not fit.
///
/// It is planned as a [`BoundedWindowAggExec`] and stands in its place. What has to fit into memory are the arguments and the
/// order of the rows of one frame; the rows themselves need not.
pub struct RunningWindowExec {
    window: Arc<BoundedWindowAggExec>,
    metrics: ExecutionPlanMetricsSet,
}

impl fmt::Debug for RunningWindowExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningWindowExec")
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for RunningWindowExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stock = &*self.window;
        crate::plan::described(f, stock, format, "BoundedWindowAggExec", self.name())
    }
}

impl ExecutionPlan for RunningWindowExec {
    fn name(&self) -> &'static str {
        "RunningWindowExec"
    }

    as_stock!(window);

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = Arc::clone(&self.window).replace_children(children, options)?;
        Ok(match of_plan(&plan) {
            Some(window) => Arc::new(window),
            None => plan,
        })
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.window.input();
        let rows = input.execute(partition, Arc::clone(&context))?;
        let batch_size = context.session_config().batch_size().max(1);
        let window = Functions {
            expressions: self.window.window_expr().to_vec(),
            input: input.schema(),
            schema: self.schema(),
            partition_by: self.window.partition_by_sort_keys()?,
            batch_size,
        };
        let pool = context.memory_pool();
        let limit = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => usize::MAX,
        };
        let most = Most {
            rows: batch_size,
            bytes: (limit / VALUES_PART).clamp(*VALUES.start(), *VALUES.end()),
        };
        let waiting = Waiting::new(partition, input.schema(), &context, &self.metrics);
        let memory = MemoryConsumer::new(format!("WindowFrames[{partition}]")).register(pool);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let rows = async_try_stream(move |emitter| async move {
            Running::new(window, waiting, memory, most, baseline, emitter)?
                .run(rows)
                .await
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// The operator for a plan that is a [`BoundedWindowAggExec`] whose partitions come one after the other.
pub(crate) fn of_plan(plan: &Arc<dyn ExecutionPlan>) -> Option<RunningWindowExec> {
    let window = plan.downcast_ref::<BoundedWindowAggExec>()?;
    let is_ours = window.input_order_mode == InputOrderMode::Sorted
        && window.state_observer().is_none()
        && window
            .window_expr()
            .iter()
            .all(|expression| Function::supports(expression.as_ref()));
    is_ours.then(|| RunningWindowExec {
        window: Arc::new(window.clone()),
        metrics: ExecutionPlanMetricsSet::new(),
    })
}
