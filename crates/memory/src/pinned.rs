//! Storage memory of what is no cached block: it is there for a while, and cannot be evicted meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mode::MemoryMode;
use crate::storage_pool::BlockId;
use crate::unified::UnifiedMemory;

/// Storage memory that is given back when this is dropped.
///
/// Spark keeps a broadcast as blocks that may be evicted, and each task that reads them holds on to the table made of
/// them, evicted or not. Here there is the table alone, which is either held or not.
#[derive(Debug)]
pub struct PinnedStorage {
    memory: Arc<UnifiedMemory>,
    mode: MemoryMode,
    bytes: u64,
}

/// The dataset of what is pinned: none that a cache knows, so that blocks of all of them may go for it.
const DATASET: u64 = u64::MAX;

impl PinnedStorage {
    /// Takes all of `bytes` in one region, on-heap if it has as much, or nothing. Cached blocks are evicted for it where there
    /// are too many, which may write to disk. What is pinned in a region is never more than the part of it that
    /// execution may not evict from (`spark.memory.storageFraction`).
    pub fn acquire(memory: &Arc<UnifiedMemory>, bytes: u64) -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let block = BlockId {
            dataset: DATASET,
            partition: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        let mode = [MemoryMode::OnHeap, MemoryMode::OffHeap]
            .into_iter()
            .find(|mode| memory.pin(block, bytes, *mode))?;
        Some(Self {
            memory: Arc::clone(memory),
            mode,
            bytes,
        })
    }

    /// What it holds, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back what it holds beyond `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.memory.unpin(surplus, self.mode);
        self.bytes -= surplus;
    }
}

impl Drop for PinnedStorage {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Acquired, Region, TaskId};

    #[test]
    fn what_is_pinned_is_bounded_by_the_storage_region_and_comes_back() {
        let memory = UnifiedMemory::new(Region::new(1000, 400), Region::EMPTY);
        let used = || memory.pools(MemoryMode::OnHeap).storage_used;
        let mut first = PinnedStorage::acquire(&memory, 300).unwrap();
        assert!(PinnedStorage::acquire(&memory, 101).is_none());
        first.shrink_to(250);
        let second = PinnedStorage::acquire(&memory, 150).unwrap();
        assert_eq!((first.bytes(), second.bytes(), used()), (250, 150, 400));
        // Execution has all the rest, and what is pinned stays when it asks for more.
        let task = TaskId::next();
        let all = memory.acquire_execution(task, 1000, MemoryMode::OnHeap);
        assert_eq!(all, Acquired::Granted(600));
        drop((first, second));
        assert_eq!(used(), 0);
        assert!(PinnedStorage::acquire(&memory, 401).is_none());
    }

    #[test]
    fn what_is_pinned_is_out_of_reach_when_the_border_moves_below_it() {
        let memory = UnifiedMemory::new(Region::new(1000, 400), Region::EMPTY);
        let pinned = PinnedStorage::acquire(&memory, 400).unwrap();
        memory.resize(MemoryMode::OnHeap, Region::new(1000, 100));
        let (first, second) = (TaskId::next(), TaskId::next());
        assert_eq!(memory.reachable_by(first, MemoryMode::OnHeap), 600);
        let one = memory.acquire_execution(first, 200, MemoryMode::OnHeap);
        assert_eq!(one, Acquired::Granted(200));
        // Half of what there is for both, and not of what is pinned beside.
        let half = memory.acquire_execution(second, 1000, MemoryMode::OnHeap);
        assert_eq!(half, Acquired::Granted(300));
        drop(pinned);
        let task = memory.reachable_by(second, MemoryMode::OnHeap);
        assert_eq!(task, 500);
    }

    #[test]
    fn nothing_is_pinned_of_what_execution_holds() {
        let memory = UnifiedMemory::new(Region::new(1000, 400), Region::EMPTY);
        let task = TaskId::next();
        let held = memory.acquire_execution(task, 900, MemoryMode::OnHeap);
        assert_eq!(held, Acquired::Granted(900));
        assert!(PinnedStorage::acquire(&memory, 200).is_none());
        memory.release_all_execution(task);
        assert!(PinnedStorage::acquire(&memory, 200).is_some());
        assert_eq!(memory.pools(MemoryMode::OnHeap).storage_used, 0);
    }
}
