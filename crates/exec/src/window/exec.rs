use std::fmt;
use std::sync::Arc;

use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, RecordOutput, SpillMetrics,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ReplaceChildrenOptions,
};
use datafusion_execution::{TryEmitter, async_try_stream};
use futures::StreamExt;

use super::compute::{Functions, Value};
use crate::batches::tidy;
use crate::plan::as_stock;
use crate::spill::Disk;
use crate::waiting::{Complete, Room, UseOfRows, Waiting};

/// Window functions over sorted rows that keeps one partition at a time, and that on disk where it does not fit.
///
/// It is planned as a [`WindowAggExec`] and stands in its place.
pub struct ExternalWindowExec {
    pub(crate) window: Arc<WindowAggExec>,
    metrics: ExecutionPlanMetricsSet,
}

impl ExternalWindowExec {
    /// The same functions as those of `window`.
    pub fn new(window: Arc<WindowAggExec>) -> Self {
        Self {
            window,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl fmt::Debug for ExternalWindowExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalWindowExec")
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for ExternalWindowExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::plan::described(f, &*self.window, format, "WindowAggExec", self.name())
    }
}

impl ExecutionPlan for ExternalWindowExec {
    fn name(&self) -> &'static str {
        "ExternalWindowExec"
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
        let functions = Functions {
            expressions: self.window.window_expr().to_vec(),
            input: input.schema(),
            schema: self.schema(),
            partition_by: self.window.partition_by_sort_keys()?,
            batch_size: context.session_config().batch_size().max(1),
        };
        let spill = SpillMetrics::new(&self.metrics, partition);
        let room = Room::new(
            (format!("Window[{partition}]"), "spilled_partitions"),
            UseOfRows::AsOneBatch,
            &input.schema(),
            &Disk::new(&context, spill, "a window"),
            &context,
            (&self.metrics, partition),
        );
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let rows = async_try_stream(move |emitter| {
            let windows = Windows {
                functions,
                baseline,
                open: Waiting::new(&room),
                room,
                last: None,
                emitter,
            };
            windows.run(rows)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// The operator for a plan that is a [`WindowAggExec`].
pub(crate) fn of_plan(plan: &Arc<dyn ExecutionPlan>) -> Option<ExternalWindowExec> {
    let window = plan.downcast_ref::<WindowAggExec>()?;
    Some(ExternalWindowExec::new(Arc::new(window.clone())))
}

/// One output partition of the operator on its way through its input.
struct Windows {
    functions: Functions,
    room: Arc<Room>,
    baseline: BaselineMetrics,
    /// The partition that has begun.
    open: Arc<Waiting>,
    /// Its latest row.
    last: Option<RecordBatch>,
    emitter: TryEmitter<RecordBatch, DataFusionError>,
}

impl Windows {
    async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<()> {
        let compute = self.baseline.elapsed_compute().clone();
        while let Some(batch) = input.next().await.transpose()? {
            if batch.num_rows() == 0 {
                continue;
            }
            let (ranges, begins_anew) = {
                let _time = compute.timer();
                (self.functions.ranges(&batch)?, self.begins_anew(&batch)?)
            };
            if begins_anew {
                self.close().await?;
            }
            self.take(batch, ranges).await?;
        }
        drop(input);
        self.close().await
    }

    /// Whether the first row of a batch is of another partition than the row before it.
    fn begins_anew(&self, batch: &RecordBatch) -> Result<bool> {
        let Some(last) = &self.last else {
            return Ok(false);
        };
        let both = concat_batches(&self.functions.input, [last, &batch.slice(0, 1)])?;
        Ok(self.functions.ranges(&both)?.len() > 1)
    }

    /// Takes in a batch whose partitions lie at `ranges`; the first goes on with the one that is open.
    async fn take(
        &mut self,
        batch: RecordBatch,
        ranges: Vec<std::ops::Range<usize>>,
    ) -> Result<()> {
        let [first, middle @ .., last] = ranges.as_slice() else {
            return self.keep(batch);
        };
        self.keep(batch.slice(first.start, first.len()))?;
        self.close().await?;
        if !middle.is_empty() {
            let start = first.end;
            let whole = batch.slice(start, last.start - start);
            let middle: Vec<_> = middle
                .iter()
                .map(|range| range.start - start..range.end - start)
                .collect();
            let rows = {
                let _time = self.baseline.elapsed_compute().timer();
                self.functions.of_partitions(&whole, &middle)?
            };
            self.emit(rows).await;
        }
        self.keep(batch.slice(last.start, last.len()))
    }

    /// Keeps rows of the partition that is open.
    fn keep(&mut self, rows: RecordBatch) -> Result<()> {
        let _time = self.baseline.elapsed_compute().timer();
        let last = rows.slice(rows.num_rows().saturating_sub(1), 1);
        self.last = Some(tidy(last)?);
        self.open.push(rows)
    }

    /// Hands on the partition that is open, with what the functions come to.
    async fn close(&mut self) -> Result<()> {
        self.last = None;
        match self.open.complete()? {
            None => {}
            Some(Complete::InMemory(batches, memory)) => {
                let (rows, values) = self.functions.of_batches(batches, &memory).await?;
                self.emit_with(rows, 0, &values).await?;
            }
            Some(Complete::OnDisk(run)) => {
                let memory = self.room.reservation();
                let (values, _memory) = self.functions.of_run(&run, memory).await?;
                let mut first = 0;
                let mut reader = run.reader(self.functions.batch_size);
                while let Some(rows) = reader.next().await? {
                    let count = rows.num_rows();
                    self.emit_with(rows, first, &values).await?;
                    first += count;
                }
            }
        }
        Ok(())
    }

    /// Hands on rows of a partition from number `first` on, a piece at a time.
    async fn emit_with(&mut self, rows: RecordBatch, first: usize, values: &[Value]) -> Result<()> {
        let size = self.functions.rows_at_once(values);
        for start in (0..rows.num_rows()).step_by(size) {
            let piece = rows.slice(start, size.min(rows.num_rows() - start));
            let piece = self.functions.with_values(piece, first + start, values)?;
            self.emit(piece).await;
        }
        Ok(())
    }

    async fn emit(&mut self, rows: RecordBatch) {
        let rows = rows.record_output(&self.baseline);
        self.emitter.emit(rows).await;
    }
}
