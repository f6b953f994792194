use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;

use super::keys::{Keys, partition_of};
use crate::batches::select;

/// The partition of a row that goes to none.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Batches on their way to partitions. They wait until there are enough of them that each partition gets
/// rows worth writing at once.
pub(crate) struct Scatter {
    schema: SchemaRef,
    partitions: usize,
    batches: Vec<RecordBatch>,
    /// The partition of each row of each batch.
    targets: Vec<Vec<u32>>,
    counter: RecordBatchMemoryCounter,
    hashes: Vec<u64>,
}

/// Rows of one partition out of a [`Scatter`].
pub(crate) struct Piece {
    pub(crate) partition: usize,
    pub(crate) batch: RecordBatch,
    /// Where each row was among all rows that were staged, rows that went nowhere included.
    pub(crate) origins: Vec<usize>,
}

impl Scatter {
    pub(crate) fn new(schema: &SchemaRef, partitions: usize) -> Self {
        Self {
            schema: schema.clone(),
            partitions,
            batches: Vec::new(),
            targets: Vec::new(),
            counter: RecordBatchMemoryCounter::new(),
            hashes: Vec::new(),
        }
    }

    /// Stages a batch, and returns the bytes that it adds to what is staged.
    pub(crate) fn stage(&mut self, batch: RecordBatch, targets: Vec<u32>) -> usize {
        let bytes = self.counter.count_batch(&batch) + targets.len() * size_of::<u32>();
        self.batches.push(batch);
        self.targets.push(targets);
        bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The partition of each row by the hash of its keys at `depth`. A row that can match nothing may
    /// go to any partition: these are dealt out in turn, since by their hash they would all go to one.
    /// With `drop_unmatchable` they go nowhere. Without keys there is one partition.
    pub(crate) fn targets(
        &mut self,
        keys: &Keys,
        rows: usize,
        depth: usize,
        drop_unmatchable: bool,
    ) -> Result<Vec<u32>> {
        if keys.columns.is_empty() {
            return Ok(vec![0; rows]);
        }
        keys.hash(depth, &mut self.hashes)?;
        let partitions = self.partitions;
        let target = |row: usize| match keys.is_matchable(row) {
            true => partition_of(self.hashes[row], partitions) as u32,
            false if drop_unmatchable => NOWHERE,
            false => (row % partitions) as u32,
        };
        Ok((0..rows).map(target).collect())
    }

    /// Hands out what is staged, partition by partition.
    pub(crate) fn empty(&mut self, mut each: impl FnMut(Piece) -> Result<()>) -> Result<()> {
        let batches = std::mem::take(&mut self.batches);
        let targets = std::mem::take(&mut self.targets);
        self.counter = RecordBatchMemoryCounter::new();
        let mut starts = vec![0_usize; self.partitions + 1];
        for target in targets
            .iter()
            .flatten()
            .filter(|target| **target != NOWHERE)
        {
            starts[*target as usize + 1] += 1;
        }
        for partition in 0..self.partitions {
            starts[partition + 1] += starts[partition];
        }
        let mut sorted = vec![(0_usize, 0_usize); starts[self.partitions]];
        let mut firsts = Vec::with_capacity(batches.len());
        let mut next = starts.clone();
        let mut first = 0;
        for (batch, targets) in targets.iter().enumerate() {
            firsts.push(first);
            first += targets.len();
            for (row, target) in targets.iter().enumerate() {
                if *target != NOWHERE {
                    sorted[next[*target as usize]] = (batch, row);
                    next[*target as usize] += 1;
                }
            }
        }
        for partition in 0..self.partitions {
            let indices = &sorted[starts[partition]..starts[partition + 1]];
            if indices.is_empty() {
                continue;
            }
            each(Piece {
                partition,
                batch: select(&self.schema, &batches, indices)?,
                origins: indices
                    .iter()
                    .map(|(batch, row)| firsts[*batch] + row)
                    .collect(),
            })?;
        }
        Ok(())
    }
}
