use std::sync::Arc;

use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;

use super::distinct::Distinct;
use super::intake::Work;
use crate::batches::{bytes_of, pick};
use crate::hash_join::{hash_columns, partition_of};
use crate::spill::{Run, RunFile};

/// The least that is worth writing at once, in bytes.
const PIECE: usize = 16 << 10;

/// The fewest partitions: fewer would have to be cut again and again.
const FEWEST: usize = 4;

/// States of groups on disk, cut into partitions by the hash of their keys.
pub(crate) struct Parts {
    work: Arc<Work>,
    /// What distinguishes the hash function from that of other depths.
    depth: usize,
    runs: Vec<Run>,
    file: Arc<RunFile>,
    distinct: Distinct,
}

impl Parts {
    /// Partitions for states that come to fill `bytes` of memory at a time.
    ///
    /// # Errors
    /// If no temporary file can be made.
    pub(crate) fn new(work: &Arc<Work>, depth: usize, bytes: usize) -> Result<Self> {
        let partitions = (bytes / PIECE).clamp(FEWEST, work.partitions.max(FEWEST));
        work.depth.set_max(depth + 1);
        Ok(Self {
            work: Arc::clone(work),
            depth,
            runs: vec![Run::default(); partitions],
            file: RunFile::create(&work.disk, &work.spec.states)?,
            distinct: Distinct::default(),
        })
    }

    /// Writes states to where their partitions are.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn write(&mut self, states: &RecordBatch) -> Result<()> {
        let rows = states.num_rows();
        let mut hashes = Vec::new();
        hash_columns(self.work.spec.keys(states), self.depth, &mut hashes)?;
        let partitions = self.runs.len();
        let mut starts = vec![0_usize; partitions + 1];
        for hash in &hashes {
            self.distinct.add(*hash);
            starts[partition_of(*hash, partitions) + 1] += 1;
        }
        for partition in 0..partitions {
            starts[partition + 1] += starts[partition];
        }
        let mut order = vec![0_u32; rows];
        let mut next = starts.clone();
        for (row, hash) in hashes.iter().enumerate() {
            let place = &mut next[partition_of(*hash, partitions)];
            order[*place] = row as u32;
            *place += 1;
        }
        drop(hashes);
        let order = UInt32Array::from(order);
        for (partition, run) in self.runs.iter_mut().enumerate() {
            let (start, end) = (starts[partition], starts[partition + 1]);
            for first in (start..end).step_by(self.work.batch_size) {
                let length = self.work.batch_size.min(end - first);
                let piece = pick(&self.work.spec.states, states, &order.slice(first, length))?;
                self.file.append(run, &piece, bytes_of(&piece))?;
            }
        }
        Ok(())
    }

    /// About how many groups were written, each counted once.
    pub(crate) fn groups(&self) -> usize {
        self.distinct.count()
    }

    /// The partitions that have rows, the last first.
    pub(crate) fn into_runs(self) -> Vec<Run> {
        let mut runs = self.runs;
        runs.retain(|run| !run.is_empty());
        runs.reverse();
        runs
    }
}
