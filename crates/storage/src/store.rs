use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use datafusion::common::Result;
use datafusion::execution::disk_manager::DiskManager;
use parking_lot::Mutex;
use plimsoll_memory::{BlockId, EvictBlocks, Eviction, MemoryMode, UnifiedMemory};
use tracing::warn;

use crate::block::{Block, Content};
use crate::file::BlockFile;
use crate::unit::Unit;

/// All cached blocks of a process, in the order in which they were used; Spark's `MemoryStore`, with its `DiskStore`.
pub struct BlockStore {
    memory: Arc<UnifiedMemory>,
    disk: Arc<DiskManager>,
    waits_for_disk: bool,
    order: Mutex<Order>,
    next_dataset: AtomicU64,
    /// Who is told of evictions.
    listener: OnceLock<Listener>,
}

type Listener = Box<dyn Fn(Evicted) + Send + Sync>;

/// Blocks of one dataset that left memory at once because others needed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    /// The number of the dataset; see [`Dataset::id`](crate::Dataset::id).
    pub dataset: u64,
    /// How many blocks.
    pub blocks: u64,
    /// How many of them are on disk now. The others will be computed again.
    pub blocks_on_disk: u64,
    /// The memory that they held, in bytes.
    pub bytes: u64,
}

impl Evicted {
    fn none(dataset: u64) -> Self {
        Self {
            dataset,
            blocks: 0,
            blocks_on_disk: 0,
            bytes: 0,
        }
    }
}

/// The blocks in memory by when they were used last, for each kind of memory.
#[derive(Default)]
struct Order {
    clock: u64,
    on_heap: BTreeMap<u64, Arc<Block>>,
    off_heap: BTreeMap<u64, Arc<Block>>,
}

impl Order {
    fn of(&mut self, mode: MemoryMode) -> &mut BTreeMap<u64, Arc<Block>> {
        match mode {
            MemoryMode::OffHeap => &mut self.off_heap,
            _ => &mut self.on_heap,
        }
    }

    fn append(&mut self, block: Arc<Block>, mode: MemoryMode) {
        self.clock += 1;
        block.used.store(self.clock, Ordering::Relaxed);
        let now = self.clock;
        self.of(mode).insert(now, block);
    }

    /// Takes a block out, if it is in.
    fn remove(&mut self, block: &Block, mode: MemoryMode) -> Option<Arc<Block>> {
        let used = block.used.swap(0, Ordering::Relaxed);
        self.of(mode).remove(&used)
    }
}

impl BlockStore {
    /// A store whose blocks are on the books of `memory`, which it evicts for, and go to files of `disk`. It waits until they
    /// are on the disk if `waits_for_disk`: in a container that has little more room than the process.
    pub fn new(
        memory: Arc<UnifiedMemory>,
        disk: Arc<DiskManager>,
        waits_for_disk: bool,
    ) -> Arc<Self> {
        let store = Arc::new(Self {
            memory,
            disk,
            waits_for_disk,
            order: Mutex::default(),
            next_dataset: AtomicU64::new(0),
            listener: OnceLock::new(),
        });
        let evictor = Arc::new(Evictor(Arc::downgrade(&store)));
        store.memory.set_evictor(evictor);
        store
    }

    /// Tells `listener` of evictions from now on, unless there is one already. It is called with no lock held that others
    /// wait for memory with, by whoever needs the memory, and has to be quick.
    pub fn on_eviction(&self, listener: impl Fn(Evicted) + Send + Sync + 'static) {
        // The first one stays.
        let _ = self.listener.set(Box::new(listener));
    }

    /// A file for the blocks of a partition.
    pub(crate) fn new_file(&self) -> Result<BlockFile> {
        BlockFile::create(&self.disk, self.waits_for_disk)
    }

    pub(crate) fn next_dataset(&self) -> u64 {
        self.next_dataset.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes memory for a block, evicting those of other datasets.
    pub(crate) fn take(&self, id: BlockId, bytes: u64, mode: MemoryMode) -> bool {
        self.memory.acquire_unroll(id, bytes, mode)
    }

    /// Takes memory for a block, evicting nothing.
    pub(crate) fn take_free(&self, bytes: u64, mode: MemoryMode) -> bool {
        self.memory.acquire_free_storage(bytes, mode)
    }

    /// Gives back memory that was taken for a block and not used for it.
    pub(crate) fn give_back(&self, bytes: u64, mode: MemoryMode) {
        self.memory.release_storage(bytes, mode);
    }

    /// Keeps a block for which memory was taken.
    pub(crate) fn keep(&self, block: &Arc<Block>) {
        block.core.counters.in_memory.add(block.bytes());
        let mut order = self.order.lock();
        order.append(Arc::clone(block), block.core.mode());
    }

    /// Notes that a block was used now.
    pub(crate) fn touch(&self, block: &Block) {
        let mode = block.core.mode();
        let mut order = self.order.lock();
        if let Some(block) = order.remove(block, mode) {
            order.append(block, mode);
        }
    }

    /// Takes a block out of memory that nobody will read any more.
    pub(crate) fn drop_block(&self, block: &Block) {
        // One that is not in the order is being evicted, and will be off the books by that.
        if self.order.lock().remove(block, block.core.mode()).is_some() {
            let freed = block.let_go();
            block.core.counters.in_memory.sub(freed);
            self.memory.release_storage(freed, block.core.mode());
        }
    }

    /// Keeps a block that was read from disk and for which memory was taken; says whether it was not in memory already.
    pub(crate) fn put_back(&self, block: &Arc<Block>, content: Content, bytes: u64) -> bool {
        let is_new = block.put_back(content, bytes);
        if is_new {
            self.keep(block);
        }
        is_new
    }

    /// Picks the blocks that were not used for longest. What is lost with one of them goes too.
    fn pick(
        self: &Arc<Self>,
        for_block: Option<BlockId>,
        bytes: u64,
        mode: MemoryMode,
    ) -> Option<Eviction> {
        let mut order = self.order.lock();
        let dataset = for_block.map(|block| block.dataset);
        let mut bytes_of_those = 0;
        let by_age: Vec<Arc<Block>> = order
            .of(mode)
            .values()
            .filter(|block| Some(block.id.dataset) != dataset)
            .take_while(|block| {
                let is_needed = bytes_of_those < bytes;
                bytes_of_those += block.bytes() * u64::from(is_needed);
                is_needed
            })
            .map(Arc::clone)
            .collect();
        if for_block.is_some() && bytes_of_those < bytes {
            return None;
        }
        let mut picked = Picked::default();
        for block in by_age {
            if picked.bytes >= bytes {
                break;
            }
            // It may have gone with another.
            if block.is_in_order() {
                picked.add(block, &mut order, mode);
            }
        }
        let store = Arc::clone(self);
        let is_nothing = picked.victims.is_empty() && picked.units.is_empty();
        (!is_nothing).then(|| Box::new(move || store.evict(picked, mode)) as Eviction)
    }

    fn evict(&self, picked: Picked, mode: MemoryMode) -> u64 {
        let mut freed = 0;
        let mut evicted: BTreeMap<u64, Evicted> = BTreeMap::new();
        for Victim {
            block,
            mut goes_to_disk,
        } in picked.victims
        {
            if goes_to_disk && let Err(error) = block.write() {
                let is_lost = block.unit.upgrade().is_none_or(|unit| unit.lose());
                if !is_lost {
                    warn!("a block of a cached table stays in memory: {error}");
                    self.order.lock().append(block, mode);
                    continue;
                }
                warn!("a block of a cached table was dropped and will be computed again: {error}");
                goes_to_disk = false;
            }
            let bytes = block.let_go();
            freed += bytes;
            block.core.counters.in_memory.sub(bytes);
            block.core.counters.evictions.add(1);
            let dataset = block.id.dataset;
            let of_dataset = evicted.entry(dataset).or_insert(Evicted::none(dataset));
            of_dataset.blocks += 1;
            of_dataset.blocks_on_disk += u64::from(goes_to_disk);
            of_dataset.bytes += bytes;
        }
        if let Some(listener) = self.listener.get() {
            evicted.into_values().for_each(listener);
        }
        freed
    }
}

/// A block that is to be evicted.
struct Victim {
    block: Arc<Block>,
    goes_to_disk: bool,
}

/// Blocks that are to be evicted.
#[derive(Default)]
struct Picked {
    victims: Vec<Victim>,
    bytes: u64,
    /// Their units, so that none of them ends under the locks under which blocks are picked.
    units: Vec<Arc<Unit>>,
}

impl Picked {
    /// Takes a block out of the order, with all that is lost when it is.
    fn add(&mut self, block: Arc<Block>, order: &mut Order, mode: MemoryMode) {
        let unit = block.unit.upgrade();
        let goes_to_disk = match &unit {
            Some(unit) => block.core.level.disk || !unit.lose(),
            None => false,
        };
        if let Some(unit) = unit {
            if !goes_to_disk {
                for lost in unit.blocks() {
                    self.take(lost, false, order, mode);
                }
            }
            self.units.push(unit);
        }
        self.take(block, goes_to_disk, order, mode);
    }

    fn take(&mut self, block: Arc<Block>, goes_to_disk: bool, order: &mut Order, mode: MemoryMode) {
        if order.remove(&block, mode).is_some() {
            self.bytes += block.bytes();
            self.victims.push(Victim {
                block,
                goes_to_disk,
            });
        }
    }
}

/// The store as the memory manager knows it.
struct Evictor(Weak<BlockStore>);

impl EvictBlocks for Evictor {
    fn pick(&self, for_block: Option<BlockId>, bytes: u64, mode: MemoryMode) -> Option<Eviction> {
        self.0.upgrade()?.pick(for_block, bytes, mode)
    }
}
