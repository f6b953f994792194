use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;

use super::backing::Backing;
use super::partitions::Partitions;
use super::resources::Resources;
use super::spec::Spec;
use super::table::Table;
use crate::broadcast::build::Lacking;

/// Build rows that are kept as they come, for as long as there is memory for all of them.
///
/// Those of a broadcast are on the driver's books. When it is refused memory there, or storage memory in the end, it is given
/// up: the rows are an ordinary build side's from then on, in execution memory if that has room for them.
pub(super) struct Whole {
    /// Each batch with the bytes that were reserved for it.
    batches: Vec<(RecordBatch, usize)>,
    counter: RecordBatchMemoryCounter,
    /// Covers the batches, and the memory that is needed to cut them.
    memory: Backing,
    /// What of it is for cutting.
    headroom: usize,
}

impl Whole {
    pub(super) fn new(resources: &Resources) -> Self {
        Self {
            batches: Vec::new(),
            counter: RecordBatchMemoryCounter::new(),
            memory: match &resources.broadcast {
                Some(broadcast) => Backing::Driver(broadcast.on_drivers_books()),
                None => resources.reservation().into(),
            },
            headroom: 0,
        }
    }

    /// Gives the batch back if memory for it is refused.
    pub(super) fn push(
        &mut self,
        batch: RecordBatch,
        resources: &Resources,
    ) -> std::result::Result<(), RecordBatch> {
        let bytes = self.counter.count_batch(&batch);
        let headroom = Resources::stage_for(self.counter.memory_usage());
        let more = headroom.saturating_sub(self.headroom);
        if !self.take(bytes + more, resources) {
            return Err(batch);
        }
        self.headroom += more;
        self.batches.push((batch, bytes));
        Ok(())
    }

    /// What the rows take, in bytes, buffers that they share counted once.
    pub(super) fn bytes(&self) -> usize {
        self.counter.memory_usage()
    }

    pub(super) fn rows(&self) -> usize {
        self.batches.iter().map(|(batch, _)| batch.num_rows()).sum()
    }

    /// Bytes that could be freed: none of a broadcast, which is not on the books of who asks.
    pub(super) fn reclaimable(&self) -> usize {
        match self.memory.is_executions() {
            true => self.memory.size() - self.headroom,
            false => 0,
        }
    }

    /// Cuts the rows into partitions.
    pub(super) fn into_partitions(
        mut self,
        spec: &Arc<Spec>,
        resources: &Arc<Resources>,
    ) -> Result<Partitions> {
        let bytes = self.memory.size();
        self.free_headroom();
        if let Backing::Execution(memory) = self.memory {
            let mut partitions = Partitions::new(spec, resources, 0, bytes, memory);
            for (batch, bytes) in self.batches {
                partitions.push_counted(batch, bytes, None)?;
            }
            return Ok(partitions);
        }
        let memory = resources.reservation();
        let mut partitions = Partitions::new(spec, resources, 0, bytes, memory);
        for (batch, bytes) in self.batches {
            partitions.push(batch, None)?;
            self.memory.shrink(bytes);
        }
        Ok(partitions)
    }

    /// Makes a table of the rows, or gives them back if memory for it is refused. A broadcast is in storage memory then.
    pub(super) async fn into_table(
        mut self,
        spec: &Spec,
        resources: &Resources,
    ) -> Result<std::result::Result<Table, Self>> {
        self.free_headroom();
        let batches = self.batches.iter().map(|(batch, _)| batch.clone());
        let batches: Vec<_> = batches.collect();
        let Some(extra) = Table::extra_bytes(spec, &batches) else {
            self.give_up(Lacking::OneTable, resources);
            return Ok(Err(self));
        };
        if !self.take(extra, resources) {
            return Ok(Err(self));
        }
        let storage = match &resources.broadcast {
            Some(broadcast) if !self.memory.is_executions() => {
                let storage = broadcast.store(self.memory.size());
                if storage.is_none() && !self.give_up(Lacking::Storage, resources) {
                    return Ok(Err(self));
                }
                storage
            }
            _ => None,
        };
        drop(self.batches);
        let mut table = Table::new(spec, batches, None, self.memory).await?;
        if let (Some(storage), Some(broadcast)) = (storage, &resources.broadcast) {
            table.move_to(storage, |bytes| broadcast.store(bytes));
            broadcast.is_stored(table.reserved());
        }
        Ok(Ok(table))
    }

    /// Takes `bytes` more, from execution memory if the rows are a broadcast's that has to be given up for it.
    fn take(&mut self, bytes: usize, resources: &Resources) -> bool {
        let lacking = match &resources.broadcast {
            Some(broadcast) if !self.memory.is_executions() => {
                if !broadcast.may_hold(self.memory.size() + bytes) {
                    Lacking::Allowed
                } else if self.memory.try_grow(bytes) {
                    return true;
                } else {
                    Lacking::Drivers
                }
            }
            _ => return self.memory.try_grow(bytes),
        };
        self.give_up(lacking, resources) && self.memory.try_grow(bytes)
    }

    /// Gives a broadcast up and says whether execution memory has room for the rows so far. If not, they stay on the
    /// driver's books until they are cut.
    fn give_up(&mut self, lacking: Lacking, resources: &Resources) -> bool {
        if let Some(broadcast) = &resources.broadcast
            && !self.memory.is_executions()
        {
            broadcast.give_up(self.counter.memory_usage(), lacking);
            let memory = resources.reservation();
            if memory.try_grow(self.memory.size()).is_err() {
                return false;
            }
            self.memory = memory.into();
        }
        true
    }

    fn free_headroom(&mut self) {
        self.memory.shrink(std::mem::take(&mut self.headroom));
    }
}
