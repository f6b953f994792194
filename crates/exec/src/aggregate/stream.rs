use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::RecordOutput;
use datafusion_execution::TryEmitter;
use futures::StreamExt;

use super::intake::{Complete, Intake, Work};
use crate::spill::Run;

/// One output partition of the operator on its way through its input.
pub(crate) struct Aggregation {
    pub(crate) work: Arc<Work>,
    pub(crate) emitter: TryEmitter<RecordBatch, DataFusionError>,
}

impl Aggregation {
    /// Aggregates all rows. `of_nothing` is what comes of none.
    ///
    /// # Errors
    /// Those of the input, of the functions and of the disk, and if one group alone does not fit into memory.
    pub(crate) async fn run(
        mut self,
        mut input: SendableRecordBatchStream,
        of_nothing: impl FnOnce() -> Result<SendableRecordBatchStream>,
    ) -> Result<()> {
        let compute = self.work.baseline.elapsed_compute().clone();
        let intake = Intake::new(&self.work, 0)?;
        let mut is_empty = true;
        while let Some(batch) = input.next().await.transpose()? {
            if batch.num_rows() > 0 {
                is_empty = false;
                let _time = compute.timer();
                intake.push(&batch)?;
            }
        }
        drop(input);
        if is_empty && self.work.spec.has_grand_total() {
            let mut rows = of_nothing()?;
            while let Some(batch) = rows.next().await.transpose()? {
                self.emit(batch).await;
            }
            return Ok(());
        }
        let mut pending = self.complete(intake, 0).await?;
        while let Some((run, depth)) = pending.pop() {
            let intake = Intake::new(&self.work, depth)?;
            let mut reader = run.reader(self.work.batch_size);
            while let Some(states) = reader.next().await? {
                let _time = compute.timer();
                intake.push_states(&states)?;
            }
            drop((reader, run));
            pending.extend(self.complete(intake, depth).await?);
        }
        Ok(())
    }

    /// Hands on the result of groups that are complete, or returns the partitions that they are in, with how often they
    /// were cut.
    async fn complete(&mut self, intake: Arc<Intake>, depth: usize) -> Result<Vec<(Run, usize)>> {
        let complete = {
            let _time = self.work.baseline.elapsed_compute().timer();
            intake.complete()?
        };
        drop(intake);
        match complete {
            Complete::OnDisk(runs) => Ok(runs.into_iter().map(|run| (run, depth + 1)).collect()),
            Complete::Values(values, _memory) => {
                let size = self.work.batch_size;
                for start in (0..values.num_rows()).step_by(size) {
                    let length = size.min(values.num_rows() - start);
                    self.emit(values.slice(start, length)).await;
                }
                Ok(Vec::new())
            }
        }
    }

    async fn emit(&mut self, rows: RecordBatch) {
        let rows = rows.record_output(&self.work.baseline);
        self.emitter.emit(rows).await;
    }
}
