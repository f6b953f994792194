use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::RecordOutput;
use datafusion_execution::TryEmitter;
use futures::StreamExt;

use super::intake::{Complete, Intake, LEAST, Work};
use super::table::Table;
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
        if self.work.spec.is_partial {
            return self.run_partial(input, of_nothing).await;
        }
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
            return self.forward(of_nothing()?).await;
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

    /// Aggregates rows as far as memory goes, for another aggregate to merge what comes of them: where memory is refused
    /// all groups are handed on as they are, and where there are nearly as many groups as rows, the rows themselves.
    async fn run_partial(
        mut self,
        mut input: SendableRecordBatchStream,
        of_nothing: impl FnOnce() -> Result<SendableRecordBatchStream>,
    ) -> Result<()> {
        let compute = self.work.baseline.elapsed_compute().clone();
        let skip = self.work.skip;
        let memory = self.work.reservation();
        let mut table = Table::new(&self.work.spec)?;
        let (mut rows, mut groups) = (0, 0);
        let mut is_skipping = false;
        while let Some(batch) = input.next().await.transpose()? {
            if batch.num_rows() == 0 {
                continue;
            }
            let timer = compute.timer();
            rows += batch.num_rows();
            let states = if is_skipping {
                self.work.skipped.add(batch.num_rows());
                Some(table.converted(&batch)?)
            } else {
                let before = table.len();
                table.take_in(&batch)?;
                groups += table.len() - before;
                let is_full = is_refused(&memory, table.size());
                is_skipping = rows >= skip.rows
                    && groups as f64 > skip.ratio * rows as f64
                    && table.can_convert();
                (is_full || is_skipping)
                    .then(|| table.take_states())
                    .transpose()?
            };
            timer.done();
            if let Some(states) = states {
                self.emit_pieces(states).await;
                memory.resize(table.size());
            }
        }
        drop(input);
        if rows == 0 && self.work.spec.has_grand_total() {
            return self.forward(of_nothing()?).await;
        }
        let states = table.take_states()?;
        self.emit_pieces(states).await;
        Ok(())
    }

    async fn forward(&mut self, mut rows: SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = rows.next().await.transpose()? {
            self.emit(batch).await;
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
                self.emit_pieces(values).await;
                Ok(Vec::new())
            }
        }
    }

    async fn emit_pieces(&mut self, rows: RecordBatch) {
        let size = self.work.batch_size;
        for start in (0..rows.num_rows()).step_by(size) {
            let length = size.min(rows.num_rows() - start);
            self.emit(rows.slice(start, length)).await;
        }
    }

    async fn emit(&mut self, rows: RecordBatch) {
        let rows = rows.record_output(&self.work.baseline);
        self.emitter.emit(rows).await;
    }
}

/// Whether so many bytes are more than there are; few are taken whether there are any or not.
fn is_refused(memory: &MemoryReservation, bytes: usize) -> bool {
    if bytes > LEAST {
        return memory.try_resize(bytes).is_err();
    }
    memory.resize(bytes);
    false
}
