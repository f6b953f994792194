use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::coalesce::{LimitedBatchCoalescer, PushBatchStatus};
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput};
use datafusion_execution::TryEmitter;

/// Hands rows of the result on, in batches of the session's size and no more of them than are wanted.
pub(crate) struct Output {
    batches: LimitedBatchCoalescer,
    emitter: TryEmitter<RecordBatch, DataFusionError>,
    metrics: BaselineMetrics,
    batch_size: usize,
    is_full: bool,
}

impl Output {
    pub(crate) fn new(
        schema: SchemaRef,
        batch_size: usize,
        fetch: Option<usize>,
        emitter: TryEmitter<RecordBatch, DataFusionError>,
        metrics: BaselineMetrics,
    ) -> Self {
        let batches = LimitedBatchCoalescer::new(schema, batch_size, fetch);
        Self {
            batches,
            emitter,
            metrics,
            batch_size: batch_size.max(1),
            is_full: false,
        }
    }

    /// Whether no more rows are wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) async fn push(&mut self, rows: RecordBatch) -> Result<()> {
        // The coalescer lets larger batches pass as they are.
        for start in (0..rows.num_rows()).step_by(self.batch_size) {
            if self.is_full {
                break;
            }
            let length = self.batch_size.min(rows.num_rows() - start);
            let piece = if length == rows.num_rows() {
                rows.clone()
            } else {
                rows.slice(start, length)
            };
            match self.batches.push_batch(piece)? {
                PushBatchStatus::LimitReached => self.finish().await?,
                PushBatchStatus::Continue => self.emit_completed().await?,
            }
        }
        Ok(())
    }

    /// Hands on what is left.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.is_full, true) {
            self.batches.finish()?;
            self.emit_completed().await?;
        }
        Ok(())
    }

    async fn emit_completed(&mut self) -> Result<()> {
        while let Some(batch) = self.batches.next_completed_batch() {
            let batch = batch.record_output(&self.metrics);
            self.emitter.emit(batch).await;
        }
        Ok(())
    }
}
