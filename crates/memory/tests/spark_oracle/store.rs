//! The policy of Spark's `MemoryStore`, without the data: least recently used blocks go first, never
//! one that a reader has locked, never one of the dataset that the room is made for.

use std::collections::HashMap;
use std::mem;

use parking_lot::Mutex;
use plimsoll_memory::{BlockId, EvictBlocks, Eviction, MemoryMode};

struct Block {
    id: BlockId,
    mode: MemoryMode,
    bytes: u64,
}

#[derive(Default)]
struct Blocks {
    /// Least recently used first.
    by_use: Vec<Block>,
    readers: HashMap<BlockId, usize>,
    evicted: Vec<BlockId>,
}

#[derive(Default)]
pub struct BlockStore(Mutex<Blocks>);

impl BlockStore {
    pub fn put(&self, id: BlockId, mode: MemoryMode, bytes: u64) {
        self.0.lock().by_use.push(Block { id, mode, bytes });
    }

    /// Reads a block, which makes it the last in line; whether it was there.
    pub fn touch(&self, id: BlockId) -> bool {
        let mut blocks = self.0.lock();
        let Some(at) = blocks.by_use.iter().position(|block| block.id == id) else {
            return false;
        };
        let block = blocks.by_use.remove(at);
        blocks.by_use.push(block);
        true
    }

    pub fn lock(&self, id: BlockId) {
        *self.0.lock().readers.entry(id).or_default() += 1;
    }

    pub fn unlock(&self, id: BlockId) {
        let mut blocks = self.0.lock();
        let readers = blocks.readers.get_mut(&id).expect("a lock to undo");
        *readers -= 1;
        if *readers == 0 {
            blocks.readers.remove(&id);
        }
    }

    /// Forgets a block and says what it held.
    pub fn remove(&self, id: BlockId) -> Option<(MemoryMode, u64)> {
        let mut blocks = self.0.lock();
        let at = blocks.by_use.iter().position(|block| block.id == id)?;
        let block = blocks.by_use.remove(at);
        Some((block.mode, block.bytes))
    }

    /// The blocks evicted since it was last asked, in order.
    pub fn take_evicted(&self) -> Vec<BlockId> {
        mem::take(&mut self.0.lock().evicted)
    }
}

impl EvictBlocks for BlockStore {
    fn pick(&self, for_block: Option<BlockId>, bytes: u64, mode: MemoryMode) -> Option<Eviction> {
        let mut blocks = self.0.lock();
        let kept = for_block.map(|block| block.dataset);
        let mut freed = 0;
        let mut chosen = Vec::new();
        for block in &blocks.by_use {
            if freed >= bytes {
                break;
            }
            let evictable = block.mode == mode
                && Some(block.id.dataset) != kept
                && !blocks.readers.contains_key(&block.id);
            if evictable {
                freed += block.bytes;
                chosen.push(block.id);
            }
        }
        if freed < bytes {
            return None;
        }
        blocks.by_use.retain(|block| !chosen.contains(&block.id));
        blocks.evicted.extend(chosen);
        Some(Box::new(move || freed))
    }
}
