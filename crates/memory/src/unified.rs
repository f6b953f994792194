use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde::Serialize;
use tokio::sync::watch;

use crate::admission::{Admission, Admitted};
use crate::execution_pool::ExecutionPool;
use crate::mode::MemoryMode;
use crate::storage_pool::{BlockId, EvictBlocks, StoragePool};
use crate::task::TaskMemory;

/// A task: whatever shares execution memory with its peers. In local mode one query, on a cluster
/// one Ballista task; Spark's task attempt id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

impl TaskId {
    /// An id that no other task of this process has.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        TaskId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The answer to a request for execution memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquired {
    /// So many bytes, at most what was asked for and perhaps 0: the task has its share and must
    /// spill if it needs more.
    Granted(u64),
    /// Spark would block the thread here: the task has less than 1/2N of the pool, and others hold
    /// what it lacks. Nothing was granted; the task is registered as active and may ask again.
    MustWait,
}

/// How many evictions a request waits for, and how long for one that is under way for another.
const EVICTIONS_WAITED_FOR: usize = 8;
const LONGEST_EVICTION: Duration = Duration::from_secs(1);

/// The size of a unified region and where its soft border lies, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    size: u64,
    storage: u64,
}

impl Region {
    /// A region of `size` bytes in which execution may not evict the first `storage` bytes of
    /// cached blocks. The border is drawn back to the region's end when it lies beyond.
    pub fn new(size: u64, storage: u64) -> Self {
        Self {
            size,
            storage: storage.min(size),
        }
    }

    /// A region that holds nothing: off-heap memory when it is not enabled.
    pub const EMPTY: Region = Region {
        size: 0,
        storage: 0,
    };

    /// The bytes that execution and storage share.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of it in which cached blocks are safe from execution.
    pub fn storage(&self) -> u64 {
        self.storage
    }
}

/// The sizes of the two pools of one region, and what of them is in use, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PoolSizes {
    /// What execution has now; it moves with the soft border.
    pub execution: u64,
    /// What tasks hold of it.
    pub execution_used: u64,
    /// What storage has now.
    pub storage: u64,
    /// What cached blocks, and blocks being unrolled, hold of it.
    pub storage_used: u64,
}

/// Execution and storage memory of one executor, on-heap and off-heap, with a soft border between
/// the two; Spark's `UnifiedMemoryManager`.
///
/// Two things are beyond Spark's: a third region, of memory that is [lent](Self::lend) to execution, and an
/// [allowance](Self::set_allowance) over all regions. Both are moved by the control loop ([`Pressure`](crate::Pressure)); without
/// one nothing is lent and all is allowed.
pub struct UnifiedMemory {
    state: Mutex<State>,
    /// Told of each eviction that is over.
    evicted: Condvar,
    tasks: Mutex<Vec<Weak<TaskMemory>>>,
    tasks_begun: AtomicU64,
    hold: watch::Sender<bool>,
    user_code: AtomicU64,
    admission: Arc<Admission>,
}

/// User code at work; see [`UnifiedMemory::run_user_code`].
pub struct UserCode(Arc<UnifiedMemory>);

impl Drop for UserCode {
    fn drop(&mut self) {
        self.0.user_code.fetch_sub(1, Ordering::Relaxed);
    }
}

struct State {
    on_heap: UnifiedRegion,
    off_heap: UnifiedRegion,
    /// Memory of other parts that is lent to execution.
    lent: UnifiedRegion,
    /// What may be in use of all regions together; see [`UnifiedMemory::set_allowance`].
    allowance: u64,
    /// Evictions under way.
    evictions: usize,
}

impl State {
    fn in_use(&self) -> u64 {
        [&self.on_heap, &self.off_heap, &self.lent]
            .into_iter()
            .map(|region| region.execution.used() + region.storage.used())
            .sum()
    }

    /// Whether the allowance has room for a cached block. A part of it is left to others: blocks stay for long, and a process
    /// that is full of them has no room for what comes and goes.
    fn may_store(&self, bytes: u64) -> bool {
        let most = self.allowance - self.allowance / 16;
        bytes <= most.saturating_sub(self.in_use())
    }

    /// What the allowance leaves of a request.
    fn allowed(&self, bytes: u64) -> u64 {
        bytes.min(self.allowance.saturating_sub(self.in_use()))
    }
}

impl UnifiedMemory {
    /// A manager of these two regions, with the border where [`Region::storage`] says.
    pub fn new(on_heap: Region, off_heap: Region) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                on_heap: UnifiedRegion::new(MemoryMode::OnHeap, on_heap),
                off_heap: UnifiedRegion::new(MemoryMode::OffHeap, off_heap),
                lent: UnifiedRegion::new(MemoryMode::Lent, Region::EMPTY),
                allowance: u64::MAX,
                evictions: 0,
            }),
            evicted: Condvar::new(),
            tasks: Mutex::default(),
            tasks_begun: AtomicU64::new(0),
            hold: watch::Sender::new(false),
            user_code: AtomicU64::new(0),
            admission: Admission::new(Admission::LONGEST_WAIT),
        })
    }

    /// Lends `bytes` of other parts of the line to execution, in place of what was lent before. What tasks hold above
    /// it stays with them until they give it back, and nothing more is granted of it meanwhile.
    pub fn lend(&self, bytes: u64) {
        self.resize(MemoryMode::Lent, Region::new(bytes, 0));
    }

    /// Bounds what may be in use of all regions together, in bytes: what the process has left for them beside
    /// memory that nobody reserved. Requests past it are granted nothing; what is held already stays.
    pub fn set_allowance(&self, bytes: u64) {
        self.state.lock().allowance = bytes;
    }

    /// What may be in use of all regions together, in bytes, if that is bounded; see [`set_allowance`](Self::set_allowance).
    pub fn allowance(&self) -> Option<u64> {
        Some(self.state.lock().allowance).filter(|bytes| *bytes < u64::MAX)
    }

    /// What execution and storage hold of all regions, in bytes.
    pub fn in_use(&self) -> u64 {
        self.state.lock().in_use()
    }

    /// Evicts cached blocks that execution may take, up to `bytes`, and returns what that freed. The memory
    /// goes to execution's side of the border. May write to disk.
    pub fn evict(&self, bytes: u64) -> u64 {
        [MemoryMode::OnHeap, MemoryMode::OffHeap]
            .into_iter()
            .fold(0, |freed, mode| {
                let mut state = self.state.lock();
                let wanted = bytes.saturating_sub(freed);
                let wanted = wanted.min(state.region(mode).borrowed_by_storage());
                let evicted = self.evict_blocks(&mut state, mode, None, wanted);
                state.region(mode).take_evicted(evicted);
                freed + evicted
            })
    }

    /// The size of one region as it was laid out or lent, in bytes, whatever is in use of it.
    pub fn size(&self, mode: MemoryMode) -> u64 {
        self.region(mode, |region| region.limit.size)
    }

    /// Waits until a task whose operators need `least` bytes to work at all fits beside those that are under way,
    /// in turn and at most 10 s; `must_wait` is called if it does not fit at once.
    pub async fn admit(&self, least: u64, must_wait: impl FnOnce()) -> Admitted {
        let capacity = self.size(MemoryMode::OnHeap) + self.size(MemoryMode::OffHeap);
        self.admission.enter(least, capacity, must_wait).await
    }

    /// Says that user code runs until the guard is dropped: memory it takes is announced by nobody, so
    /// nothing is lent meanwhile.
    pub fn run_user_code(self: &Arc<Self>) -> UserCode {
        self.user_code.fetch_add(1, Ordering::Relaxed);
        UserCode(Arc::clone(self))
    }

    /// Whether user code runs.
    pub fn runs_user_code(&self) -> bool {
        self.user_code.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn join(&self, task: &Arc<TaskMemory>) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| task.strong_count() > 0);
        tasks.push(Arc::downgrade(task));
        self.tasks_begun.fetch_add(1, Ordering::Relaxed);
    }

    /// The tasks that have not ended.
    pub fn tasks(&self) -> Vec<Arc<TaskMemory>> {
        self.tasks.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// How many tasks there were so far, with those that have not ended.
    pub fn tasks_begun(&self) -> u64 {
        self.tasks_begun.load(Ordering::Relaxed)
    }

    /// Holds back work that would need more memory, such as reading another batch, or lets it go on.
    pub(crate) fn hold_back(&self, hold: bool) {
        self.hold
            .send_if_modified(|held| std::mem::replace(held, hold) != hold);
    }

    /// Waits while work is held back, and no longer than `most`: what was read already may be all that can
    /// free memory, when it is worked on.
    pub async fn until_let_go(&self, most: Duration) {
        if *self.hold.borrow() {
            let mut held = self.hold.subscribe();
            // The sender lives as long as this does; time running out is as good as being let go.
            let _ = tokio::time::timeout(most, held.wait_for(|held| !held)).await;
        }
    }

    /// Names the holder of cached blocks, which execution may ask to evict some. Without one
    /// nothing can be evicted.
    pub fn set_evictor(&self, evictor: Arc<dyn EvictBlocks>) {
        let mut state = self.state.lock();
        state.on_heap.storage.set_evictor(Arc::clone(&evictor));
        state.off_heap.storage.set_evictor(evictor);
    }

    /// Asks for up to `bytes` of execution memory for `task`, taking free storage memory and
    /// evicting what storage borrowed. Spark's `acquireExecutionMemory`, which may block where this
    /// answers [`Acquired::MustWait`]. Evicting may write to disk.
    pub fn acquire_execution(&self, task: TaskId, bytes: u64, mode: MemoryMode) -> Acquired {
        if bytes == 0 {
            return Acquired::Granted(0);
        }
        let mut state = self.state.lock();
        state.region(mode).execution.activate(task);
        for _ in 0..EVICTIONS_WAITED_FOR {
            // What the process cannot hold beside its cached blocks it can hold in their place.
            let not_allowed = bytes - state.allowed(bytes);
            let region = state.region(mode);
            let not_allowed = not_allowed.min(region.borrowed_by_storage());
            let wanted = region.borrow_for_execution(bytes).max(not_allowed);
            if wanted == 0 {
                break;
            }
            let evicted = self.evict_blocks(&mut state, mode, None, wanted);
            state.region(mode).take_evicted(evicted);
            if evicted > 0 {
                continue;
            }
            // What could be evicted is being written for somebody else.
            let is_over = state.evictions == 0;
            if is_over
                || self
                    .evicted
                    .wait_for(&mut state, LONGEST_EVICTION)
                    .timed_out()
            {
                break;
            }
        }
        match state.allowed(bytes) {
            0 => Acquired::Granted(0),
            allowed => state.region(mode).acquire_execution(task, allowed),
        }
    }

    /// Gives back up to `bytes` of what `task` holds and returns how many that were.
    pub fn release_execution(&self, task: TaskId, bytes: u64, mode: MemoryMode) -> u64 {
        self.region(mode, |region| region.release_execution(task, bytes))
    }

    /// Gives back all that `task` holds in both modes, and returns how many bytes that were: the
    /// end of a task. Spark's `releaseAllExecutionMemoryForTask`.
    pub fn release_all_execution(&self, task: TaskId) -> u64 {
        [MemoryMode::OnHeap, MemoryMode::OffHeap, MemoryMode::Lent]
            .into_iter()
            .map(|mode| self.release_execution(task, u64::MAX, mode))
            .sum()
    }

    /// Takes all of `bytes` for a cached block, or nothing: free storage memory first, then free
    /// execution memory, then other datasets' blocks. Spark's `acquireStorageMemory`. Evicting may write to disk.
    #[must_use]
    pub fn acquire_storage(&self, block: BlockId, bytes: u64, mode: MemoryMode) -> bool {
        let mut state = self.state.lock();
        // Nothing is evicted for a block that could not fit if all others were gone.
        if !state.may_store(bytes) || !state.region(mode).could_store(bytes) {
            return false;
        }
        let wanted = state.region(mode).borrow_for_storage(bytes);
        let evicted = self.evict_blocks(&mut state, mode, Some(block), wanted);
        state.region(mode).storage.release(evicted);
        // Others may have taken something meanwhile.
        if !state.may_store(bytes) || !state.region(mode).could_store(bytes) {
            return false;
        }
        state.region(mode).borrow_for_storage(bytes);
        state.region(mode).acquire_storage(bytes)
    }

    /// As [`acquire_storage`](Self::acquire_storage), from what is free and without evicting anything.
    #[must_use]
    pub fn acquire_free_storage(&self, bytes: u64, mode: MemoryMode) -> bool {
        let mut state = self.state.lock();
        let free = state.may_store(bytes) && state.region(mode).could_store(bytes);
        free && state.region(mode).borrow_for_storage(bytes) == 0
            && state.region(mode).acquire_storage(bytes)
    }

    /// Takes memory for a block whose size is not known yet, while it is read in (unrolled): storage
    /// memory like any other. Spark's `acquireUnrollMemory`.
    #[must_use]
    pub fn acquire_unroll(&self, block: BlockId, bytes: u64, mode: MemoryMode) -> bool {
        self.acquire_storage(block, bytes, mode)
    }

    /// Gives back up to `bytes` of storage or unroll memory and returns how many were in use.
    pub fn release_storage(&self, bytes: u64, mode: MemoryMode) -> u64 {
        self.region(mode, |region| {
            let freed = region.storage.release(bytes);
            region.settle();
            freed
        })
    }

    /// As [`acquire_storage`](Self::acquire_storage), for what cannot be evicted. All that is pinned together is no more
    /// than the part of the region that execution may not evict from, so that there is never less for execution.
    pub(crate) fn pin(&self, block: BlockId, bytes: u64, mode: MemoryMode) -> bool {
        let has_room = self.region(mode, |region| {
            let pinned = region.pinned.saturating_add(bytes);
            let has_room = pinned <= region.limit.storage;
            if has_room {
                region.pinned = pinned;
            }
            has_room
        });
        let is_stored = has_room && self.acquire_storage(block, bytes, mode);
        if has_room && !is_stored {
            self.region(mode, |region| region.pinned -= bytes);
        }
        is_stored
    }

    /// The part of one region that execution may not evict from, in bytes.
    pub fn storage_region(&self, mode: MemoryMode) -> u64 {
        self.region(mode, |region| region.limit.storage)
    }

    /// Gives back `bytes` of what is pinned.
    pub(crate) fn unpin(&self, bytes: u64, mode: MemoryMode) {
        self.region(mode, |region| region.pinned -= bytes);
        self.release_storage(bytes, mode);
    }

    /// The pools of one region as they are now.
    pub fn pools(&self, mode: MemoryMode) -> PoolSizes {
        self.region(mode, |region| PoolSizes {
            execution: region.execution.size(),
            execution_used: region.execution.used(),
            storage: region.storage.size(),
            storage_used: region.storage.used(),
        })
    }

    /// What `task` holds in one region, in bytes.
    pub fn held_by(&self, task: TaskId, mode: MemoryMode) -> u64 {
        self.region(mode, |region| region.execution.held_by(task))
    }

    /// The most that `task` could hold in one region at this moment, in bytes: what it has, plus
    /// what is free or can be evicted, up to 1/N.
    pub fn reachable_by(&self, task: TaskId, mode: MemoryMode) -> u64 {
        self.region(mode, |region| region.reachable_by(task))
    }

    /// The most that `task` could hold of all regions at this moment, in bytes, within the allowance.
    pub fn reachable(&self, task: TaskId) -> u64 {
        let state = self.state.lock();
        let regions = [&state.on_heap, &state.off_heap, &state.lent];
        let held: u64 = regions
            .iter()
            .map(|region| region.execution.held_by(task))
            .sum();
        let reachable: u64 = regions.iter().map(|region| region.reachable_by(task)).sum();
        // What is not allowed beside cached blocks is allowed in their place.
        let evictable: u64 = regions
            .iter()
            .map(|region| region.borrowed_by_storage())
            .sum();
        let allowed = state.allowed(u64::MAX).saturating_add(evictable);
        reachable.min(held.saturating_add(allowed))
    }

    /// How many tasks share the execution memory of one region.
    pub fn active_tasks(&self, mode: MemoryMode) -> usize {
        self.region(mode, |region| region.execution.active_tasks())
    }

    /// Changes the size and the border of one region while tasks and cached blocks are in it, where
    /// Spark would have to be restarted.
    ///
    /// What is free moves at once. Cached blocks are evicted if the region shrinks below what is in
    /// use, and down to the border if that moves down: they had a right to stay and have it no longer. What tasks hold is
    /// never taken from them: the region stays larger than asked until they
    /// have given back enough, and grants nothing meanwhile. May write to disk.
    pub fn resize(&self, mode: MemoryMode, to: Region) {
        let mut state = self.state.lock();
        let wanted = state.region(mode).set_limit(to);
        let evicted = self.evict_blocks(&mut state, mode, None, wanted);
        let region = state.region(mode);
        region.storage.release(evicted);
        region.settle_at_border();
    }

    /// Evicts blocks of at least `bytes`, if there are such, with the lock let go of meanwhile; returns what that freed, which
    /// is still on storage's books.
    fn evict_blocks(
        &self,
        state: &mut MutexGuard<'_, State>,
        mode: MemoryMode,
        for_block: Option<BlockId>,
        bytes: u64,
    ) -> u64 {
        let Some(eviction) = state.region(mode).storage.pick(for_block, bytes) else {
            return 0;
        };
        state.evictions += 1;
        let freed = MutexGuard::unlocked(state, eviction);
        state.evictions -= 1;
        self.evicted.notify_all();
        freed
    }

    fn region<T>(&self, mode: MemoryMode, act: impl FnOnce(&mut UnifiedRegion) -> T) -> T {
        act(self.state.lock().region(mode))
    }
}

impl State {
    fn region(&mut self, mode: MemoryMode) -> &mut UnifiedRegion {
        match mode {
            MemoryMode::OnHeap => &mut self.on_heap,
            MemoryMode::OffHeap => &mut self.off_heap,
            MemoryMode::Lent => &mut self.lent,
        }
    }
}

impl fmt::Debug for UnifiedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnifiedMemory")
            .field("on_heap", &self.pools(MemoryMode::OnHeap))
            .field("off_heap", &self.pools(MemoryMode::OffHeap))
            .field("lent", &self.pools(MemoryMode::Lent))
            .finish()
    }
}

/// One region: two pools whose sizes add up to the limit's, or to more while it is being shrunk.
struct UnifiedRegion {
    limit: Region,
    execution: ExecutionPool,
    storage: StoragePool,
    /// What of storage is pinned.
    pinned: u64,
}

impl UnifiedRegion {
    fn new(mode: MemoryMode, limit: Region) -> Self {
        Self {
            limit,
            execution: ExecutionPool::new(limit.size - limit.storage),
            storage: StoragePool::new(mode, limit.storage),
            pinned: 0,
        }
    }

    fn size(&self) -> u64 {
        self.execution.size() + self.storage.size()
    }

    /// Moves the border for execution by what storage leaves free, and returns what it would have to evict beside: of what
    /// it borrowed.
    fn borrow_for_execution(&mut self, bytes: u64) -> u64 {
        let missing = bytes.saturating_sub(self.execution.free());
        // Of what storage has beyond its region, whether it is in use or not.
        let borrowed = self.storage.size().saturating_sub(self.kept_by_storage());
        let reclaimable = self.storage.free().max(borrowed);
        let wanted = missing.min(reclaimable);
        let unused = wanted.min(self.storage.free());
        self.give_to_execution(unused);
        wanted - unused
    }

    /// What execution may not take from storage: its region, or what is pinned where that was pinned before the border
    /// moved down below it.
    fn kept_by_storage(&self) -> u64 {
        self.limit.storage.max(self.pinned)
    }

    /// What cached blocks hold beyond what execution may not take.
    fn borrowed_by_storage(&self) -> u64 {
        self.storage.used().saturating_sub(self.kept_by_storage())
    }

    fn acquire_execution(&mut self, task: TaskId, bytes: u64) -> Acquired {
        let reachable = self.execution_reachable();
        let acquired = self.execution.acquire(task, bytes, reachable);
        self.settle();
        acquired
    }

    /// Moves the border by what eviction freed: blocks go whole, so this can be more than was wished for.
    fn take_evicted(&mut self, bytes: u64) {
        let freed = self.storage.release(bytes);
        self.give_to_execution(freed);
        self.settle();
    }

    fn give_to_execution(&mut self, free: u64) {
        self.storage.lessen(free);
        self.execution.enlarge(free);
    }

    fn release_execution(&mut self, task: TaskId, bytes: u64) -> u64 {
        let freed = self.execution.release(task, bytes);
        self.settle();
        freed
    }

    /// The size execution would have with everything evicted that it may evict. The cap of 1/N is
    /// of this and not of the pool's present size, or memory that storage borrowed would never be
    /// asked back (SPARK-12155); blocks inside the storage region are left out, as they stay.
    fn execution_reachable(&self) -> u64 {
        let stays = self.storage.used().min(self.kept_by_storage());
        self.limit.size.saturating_sub(stays)
    }

    fn reachable_by(&self, task: TaskId) -> u64 {
        let held = self.execution.held_by(task);
        let obtainable = self
            .execution_reachable()
            .saturating_sub(self.execution.used());
        let cap = self.execution.cap_for(task, self.execution_reachable());
        (held + obtainable).min(cap).max(held)
    }

    /// Whether a block could be stored if all others were gone.
    fn could_store(&self, bytes: u64) -> bool {
        bytes <= self.limit.size.saturating_sub(self.execution.used())
    }

    /// Moves the border for storage by what execution leaves free, and returns what is still missing.
    fn borrow_for_storage(&mut self, bytes: u64) -> u64 {
        let missing = bytes.saturating_sub(self.storage.free());
        let borrowed = missing.min(self.execution.free());
        self.execution.lessen(borrowed);
        self.storage.enlarge(borrowed);
        missing - borrowed
    }

    fn acquire_storage(&mut self, bytes: u64) -> bool {
        let stored = self.storage.acquire(bytes);
        self.settle();
        stored
    }

    /// Takes a new size and border, and returns what has to be evicted for them.
    fn set_limit(&mut self, to: Region) -> u64 {
        let border_moves_down = to.storage < self.limit.storage;
        self.limit = to;
        self.execution.enlarge(to.size.saturating_sub(self.size()));
        let free = self.execution.free() + self.storage.free();
        let beyond_size = self.size().saturating_sub(to.size).saturating_sub(free);
        match border_moves_down {
            true => beyond_size.max(self.borrowed_by_storage()),
            false => beyond_size,
        }
    }

    /// Gives what is free to the side of the border where it belongs when nobody borrows.
    fn settle_at_border(&mut self) {
        self.settle();
        let lacking = self.limit.storage.saturating_sub(self.storage.size());
        let to_storage = lacking.min(self.execution.free());
        self.execution.lessen(to_storage);
        self.storage.enlarge(to_storage);
        let beyond = self.storage.size().saturating_sub(self.limit.storage);
        self.give_to_execution(beyond.min(self.storage.free()));
        self.check();
    }

    /// Takes out of the pools what they have above the limit, as far as it is free.
    fn settle(&mut self) {
        let surplus = self.size().saturating_sub(self.limit.size);
        let unused = surplus.min(self.execution.free());
        self.execution.lessen(unused);
        self.storage
            .lessen((surplus - unused).min(self.storage.free()));
        self.check();
    }

    fn check(&self) {
        debug_assert!(self.execution.used() <= self.execution.size());
        debug_assert!(self.storage.used() <= self.storage.size());
        debug_assert!(
            self.size() == self.limit.size
                || (self.size() > self.limit.size
                    && self.execution.free() == 0
                    && self.storage.free() == 0),
            "the pools fill their region, and exceed it only by what is in use"
        );
    }
}
