use std::fmt;
use std::sync::Arc;

use crate::mode::MemoryMode;

/// A cached block: one partition of one cached dataset (an RDD or a plan in Spark's terms).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId {
    /// The cached dataset.
    pub dataset: u64,
    /// The partition of it.
    pub partition: u64,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.dataset, self.partition)
    }
}

/// Makes blocks go that were picked, by writing them to disk or dropping them, and returns the bytes that this freed.
pub type Eviction = Box<dyn FnOnce() -> u64 + Send>;

/// Whoever holds the cached blocks, and can give some up; Spark's `MemoryStore`.
pub trait EvictBlocks: Send + Sync {
    /// Picks blocks of `mode` that hold at least `bytes` in all, so that nobody else picks them. For a block, never one of
    /// its own dataset, and none at all when that much cannot be freed.
    ///
    /// Called with the memory manager's lock held: an implementation must neither block nor call the manager.
    /// The eviction itself is carried out without the lock and may write to disk. The manager takes the bytes that it
    /// returns off its books.
    fn pick(&self, for_block: Option<BlockId>, bytes: u64, mode: MemoryMode) -> Option<Eviction>;
}

/// The storage side of one region; follows Spark's `StorageMemoryPool`.
pub(crate) struct StoragePool {
    mode: MemoryMode,
    size: u64,
    used: u64,
    evictor: Option<Arc<dyn EvictBlocks>>,
}

impl StoragePool {
    pub(crate) fn new(mode: MemoryMode, size: u64) -> Self {
        Self {
            mode,
            size,
            used: 0,
            evictor: None,
        }
    }

    pub(crate) fn set_evictor(&mut self, evictor: Arc<dyn EvictBlocks>) {
        self.evictor = Some(evictor);
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn free(&self) -> u64 {
        self.size - self.used
    }

    pub(crate) fn enlarge(&mut self, bytes: u64) {
        self.size += bytes;
    }

    pub(crate) fn lessen(&mut self, bytes: u64) {
        assert!(bytes <= self.free(), "only free memory leaves a pool");
        self.size -= bytes;
    }

    /// Takes all of `bytes`, or nothing.
    pub(crate) fn acquire(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.free();
        if fits {
            self.used += bytes;
        }
        fits
    }

    /// Gives back up to `bytes` and returns how many were held.
    pub(crate) fn release(&mut self, bytes: u64) -> u64 {
        let freed = bytes.min(self.used);
        self.used -= freed;
        freed
    }

    /// Blocks to evict that hold at least `bytes`, if there are such.
    pub(crate) fn pick(&self, for_block: Option<BlockId>, bytes: u64) -> Option<Eviction> {
        let evictor = self.evictor.as_ref().filter(|_| bytes > 0)?;
        evictor.pick(for_block, bytes, self.mode)
    }
}
