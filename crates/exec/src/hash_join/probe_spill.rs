use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::keys::Keys;
use super::resources::Resources;
use super::scatter::Scatter;
use super::spec::Spec;
use crate::batches::{bytes_of, with_lean_dictionaries};
use crate::reserve::take_at_least;
use crate::spill::{Run, RunFile};

/// The least that is staged, in bytes.
const LEAST_STAGE: usize = 64 << 10;

/// Probe rows of one thread for partitions that are on disk, on their way there themselves.
pub(crate) struct ProbeSpill {
    spec: Arc<Spec>,
    resources: Arc<Resources>,
    scatter: Scatter,
    runs: Vec<Run>,
    file: Option<Arc<RunFile>>,
    staged: usize,
    stage: usize,
    /// Covers what is staged.
    _memory: MemoryReservation,
}

impl ProbeSpill {
    /// For so many partitions, with about `stage` bytes for what is on the way.
    pub(crate) fn new(
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
        partitions: usize,
        stage: usize,
    ) -> Self {
        let memory = resources.reservation();
        let mut stage = stage.max(LEAST_STAGE);
        while stage > LEAST_STAGE && memory.try_grow(stage).is_err() {
            stage = (stage / 2).max(LEAST_STAGE);
        }
        if memory.size() == 0 {
            take_at_least(&memory, stage);
        }
        Self {
            spec: Arc::clone(spec),
            resources: Arc::clone(resources),
            scatter: Scatter::new(&spec.probe_schema, partitions),
            runs: vec![Run::default(); partitions],
            file: None,
            staged: 0,
            stage,
            _memory: memory,
        }
    }

    /// Takes in the rows of a batch that have a target.
    pub(crate) fn push(&mut self, batch: RecordBatch, targets: Vec<u32>) -> Result<()> {
        self.staged += self.scatter.stage(with_lean_dictionaries(batch)?, targets);
        if self.staged >= self.stage {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Takes in all rows of a batch, by the hash of their keys at `depth`.
    pub(crate) fn push_all(&mut self, batch: RecordBatch, depth: usize) -> Result<()> {
        let keys = Keys::of(&self.spec.probe_keys, &batch, self.spec.null_equality)?;
        let targets = self
            .scatter
            .targets(&keys, batch.num_rows(), depth, false)?;
        self.push(batch, targets)
    }

    fn flush(&mut self) -> Result<()> {
        self.staged = 0;
        if self.scatter.is_empty() {
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = RunFile::create(&self.resources.disk, &self.spec.probe_schema)?;
                Arc::clone(self.file.insert(file))
            }
        };
        let runs = &mut self.runs;
        self.scatter.empty(|piece| {
            let bytes = bytes_of(&piece.batch);
            file.append(&mut runs[piece.partition], &piece.batch, bytes)
        })
    }

    /// The rows of each partition.
    pub(crate) fn finish(mut self) -> Result<Vec<Run>> {
        self.flush()?;
        Ok(self.runs)
    }
}
