use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use plimsoll_memory::TaskMemory;

use super::metrics::JoinMetrics;
use crate::broadcast::build::Building;
use crate::spill::Disk;

/// What one build side and those who probe it may use.
pub(crate) struct Resources {
    /// Takes nothing itself; what is reserved elsewhere is of its consumer.
    memory: MemoryReservation,
    pub(crate) task: Option<Arc<TaskMemory>>,
    pub(crate) disk: Arc<Disk>,
    /// How many partitions a build side is cut into when it does not fit, if memory can buffer as many.
    pub(crate) partitions: usize,
    pub(crate) batch_size: usize,
    pub(crate) metrics: JoinMetrics,
    /// How the build side is built and kept, if it is a broadcast.
    pub(crate) broadcast: Option<Building>,
}

/// The least memory for rows on their way to partitions, and the most.
const STAGE: std::ops::RangeInclusive<usize> = (64 << 10)..=(16 << 20);

/// The least that is worth writing at once, in bytes.
const PIECE: usize = 4 << 10;

impl Resources {
    pub(crate) fn new(
        name: String,
        context: &TaskContext,
        partitions: usize,
        metrics: JoinMetrics,
        broadcast: Option<Building>,
    ) -> Arc<Self> {
        let pool = context.memory_pool();
        Arc::new(Self {
            memory: MemoryConsumer::new(name)
                .with_can_spill(true)
                .register(pool),
            task: TaskMemory::of(pool),
            disk: Disk::new(context, metrics.spill.clone(), "a hash join"),
            partitions,
            batch_size: context.session_config().batch_size(),
            metrics,
            broadcast,
        })
    }

    /// A reservation of its own, empty.
    pub(crate) fn reservation(&self) -> MemoryReservation {
        self.memory.new_empty()
    }

    /// Notes what the build side would take, in bytes, if none of it were on disk.
    pub(crate) fn note_in_full(&self, bytes: usize) {
        if let Some(task) = &self.task {
            task.would_hold(&self.memory, bytes as u64);
        }
    }

    /// Bytes for rows on their way to partitions, for a side that fills `bytes` of memory: enough that
    /// they arrive in pieces worth writing, little beside what they are taken from.
    pub(crate) fn stage_for(bytes: usize) -> usize {
        (bytes / 16).clamp(*STAGE.start(), *STAGE.end())
    }

    /// How many partitions rows are cut into when `stage` bytes of them are there at a time.
    pub(crate) fn partitions_for(&self, stage: usize) -> usize {
        self.partitions.min((stage / PIECE).max(4)).max(2)
    }
}
