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

/// Whoever holds the cached blocks, and can give some up; Spark's `MemoryStore`.
pub trait EvictBlocks: Send + Sync {
    /// Evicts blocks of `mode` that hold at least `bytes` in all, never a block of the dataset of
    /// `for_block`, and returns the bytes those blocks held; or evicts nothing and returns 0 when
    /// that much cannot be freed.
    ///
    /// Called with the memory manager's lock held, which takes the returned bytes off its books
    /// itself: an implementation must not call the manager.
    fn evict_blocks(&self, for_block: Option<BlockId>, bytes: u64, mode: MemoryMode) -> u64;
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

    /// Takes all of `bytes` for `block`, evicting other datasets' blocks if need be, or nothing.
    pub(crate) fn acquire(&mut self, block: BlockId, bytes: u64) -> bool {
        let missing = bytes.saturating_sub(self.free());
        self.evict(Some(block), missing);
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

    /// Frees `bytes`, from what is unused first and by eviction for the rest, and returns by how
    /// much the pool may be lessened now: what is free of the wish, and all that eviction freed
    /// (blocks are evicted whole, so this can be more than was wished for, and less when nothing
    /// could be evicted). The caller moves the border.
    pub(crate) fn free_space_to_shrink(&mut self, bytes: u64) -> u64 {
        let unused = bytes.min(self.free());
        unused + self.evict(None, bytes - unused)
    }

    pub(crate) fn evict(&mut self, for_block: Option<BlockId>, bytes: u64) -> u64 {
        if bytes == 0 {
            return 0;
        }
        let evicted = self.evictor.as_ref().map_or(0, |evictor| {
            evictor.evict_blocks(for_block, bytes, self.mode)
        });
        self.release(evicted)
    }
}
