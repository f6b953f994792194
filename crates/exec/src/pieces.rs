//! Batches cut so that what comes of them is bounded: a batch is so many rows, and what an operator makes of a row may be of any
//! size, which nobody reserves.

mod projection;
mod unnest;

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_execution::async_try_stream;
use futures::StreamExt;

pub use projection::ProjectionsInPieces;
use unnest::Lists;
pub use unnest::UnnestsInPieces;

/// Bytes that a batch comes to: this part of the memory, within bounds.
const PIECE_PART: usize = 128;
const PIECE: std::ops::RangeInclusive<usize> = (256 << 10)..=(4 << 20);

/// What is made of the rows in the node above, and so says where they are cut.
#[derive(Debug, Clone)]
enum Cut {
    /// These columns become rows.
    Lists(Vec<usize>),
    /// These values are computed, and may be of any length.
    Values(Vec<Arc<dyn PhysicalExpr>>),
}

/// What a batch may come to in the node above.
#[derive(Debug, Clone, Copy)]
struct Size {
    rows: usize,
    bytes: usize,
}

/// Cuts rows so that what the node above makes of a batch is bounded.
#[derive(Debug)]
pub struct PiecesExec {
    input: Arc<dyn ExecutionPlan>,
    cut: Cut,
}

impl PiecesExec {
    fn new(input: Arc<dyn ExecutionPlan>, cut: Cut) -> Self {
        Self { input, cut }
    }
}

impl DisplayAs for PiecesExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => f.write_str("PiecesExec"),
            DisplayFormatType::TreeRender => Ok(()),
        }
    }
}

impl ExecutionPlan for PiecesExec {
    fn name(&self) -> &'static str {
        "PiecesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("pieces are made of one input");
        };
        Ok(Arc::new(Self::new(input, self.cut.clone())))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let properties = datafusion::physical_plan::ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(properties))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut input = self.input.execute(partition, Arc::clone(&context))?;
        let limit = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => usize::MAX,
        };
        let size = Size {
            rows: context.session_config().batch_size().max(1),
            bytes: (limit / PIECE_PART).clamp(*PIECE.start(), *PIECE.end()),
        };
        let cut = self.cut.clone();
        let rows = async_try_stream(move |mut emitter| async move {
            while let Some(batch) = input.next().await.transpose()? {
                match &cut {
                    Cut::Lists(lists) => Lists { lists, size }.cut(batch, &mut emitter).await?,
                    Cut::Values(values) => {
                        for piece in projection::cut(&batch, values, size) {
                            emitter.emit(piece).await;
                        }
                    }
                }
            }
            Ok(())
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        of_input: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        match of_input {
            [statistics] => Ok(Arc::clone(statistics)),
            _ => internal_err!("pieces are made of one input"),
        }
    }
}
