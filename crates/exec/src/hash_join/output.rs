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
            is_full: false,
        }
    }

    /// Whether no more rows are wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) async fn push(&mut self, rows: RecordBatch) -> Result<()> {
        if self.is_full || rows.num_rows() == 0 {
            return Ok(());
        }
        if self.batches.push_batch(rows)? == PushBatchStatus::LimitReached {
            self.finish().await?;
            return Ok(());
        }
        self.emit_completed().await
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
