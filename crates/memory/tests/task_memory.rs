//! How the consumers of a task, and tasks, share execution memory.

use std::sync::Arc;

use datafusion_execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use plimsoll_memory::{
    Acquired, BlockId, EvictBlocks, Eviction, MemoryMode, Region, TaskId, TaskMemory, UnifiedMemory,
};
use proptest::prelude::*;

const MIB: usize = 1 << 20;

fn manager(mib: usize) -> Arc<UnifiedMemory> {
    UnifiedMemory::new(Region::new((mib * MIB) as u64, 0), Region::EMPTY)
}

fn spilling(pool: &Arc<dyn MemoryPool>, name: &str) -> MemoryReservation {
    MemoryConsumer::new(name)
        .with_can_spill(true)
        .register(pool)
}

fn task(manager: &Arc<UnifiedMemory>) -> (Arc<TaskMemory>, Arc<dyn MemoryPool>) {
    let task = TaskMemory::new(Arc::clone(manager));
    let pool: Arc<dyn MemoryPool> = Arc::clone(&task) as _;
    (task, pool)
}

/// Grows by 1 MiB at a time until it is refused, and says how many MiB that were.
fn grow_until_refused(reservation: &MemoryReservation) -> usize {
    (0..)
        .take_while(|_| reservation.try_grow(MIB).is_ok())
        .count()
}

#[test]
fn a_consumer_takes_what_idle_ones_leave_where_a_fair_pool_gives_it_a_slice() {
    let fair: Arc<dyn MemoryPool> = Arc::new(FairSpillPool::new(256 * MIB));
    let (_task, ours) = task(&manager(256));
    let taken = [fair, ours].map(|pool| {
        let _idle: Vec<_> = (0..7)
            .map(|at| spilling(&pool, &format!("Idle[{at}]")))
            .collect();
        grow_until_refused(&spilling(&pool, "Busy"))
    });
    assert_eq!(taken, [32, 256]);
}

#[test]
fn busy_consumers_leave_each_other_twice_what_they_ever_held() {
    let (_task, pool) = task(&manager(256));
    let first = spilling(&pool, "First");
    let second = spilling(&pool, "Second");
    second.try_grow(10 * MIB).unwrap();
    let taken = grow_until_refused(&first);
    assert!((234..=236).contains(&taken), "256 less 20: {taken}");
    assert!(grow_until_refused(&second) >= 9);
}

#[test]
fn a_consumer_that_was_refused_is_left_half_an_equal_share() {
    let (_task, pool) = task(&manager(256));
    let first = spilling(&pool, "First");
    let second = spilling(&pool, "Second");
    second.try_grow(1).unwrap();
    let taken = grow_until_refused(&first);
    assert!((250..=252).contains(&taken), "256 less the floor: {taken}");
    assert!(grow_until_refused(&second) < 8);
    // Both write what they hold to disk.
    first.free();
    second.free();
    let taken = grow_until_refused(&first);
    assert!((190..=192).contains(&taken), "256 less 64: {taken}");
    assert!(grow_until_refused(&second) >= 62);
}

#[test]
fn consumers_that_spill_leave_a_quarter_for_those_that_cannot() {
    let (_task, pool) = task(&manager(256));
    let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&pool);
    let sorter = spilling(&pool, "ExternalSorter[0]");
    let taken = grow_until_refused(&sorter);
    assert!((190..=192).contains(&taken), "{taken}");
    assert_eq!(grow_until_refused(&merge), 256 - taken);
}

#[test]
fn a_request_beyond_all_numbers_is_refused() {
    let (task, pool) = task(&manager(256));
    let sorter = spilling(&pool, "Sorter");
    sorter.try_grow(MIB).unwrap();
    assert!(sorter.try_grow(usize::MAX / 2).is_err());
    let build = MemoryConsumer::new("HashJoinInput").register(&pool);
    assert!(build.try_grow(usize::MAX).is_err());
    assert_eq!(task.usage().held, MIB as u64);
}

#[test]
fn a_task_that_has_not_begun_counts_itself_among_those_that_share() {
    let manager = manager(256);
    let (_first, pool) = task(&manager);
    let older = spilling(&pool, "Older");
    older.try_grow(MIB).unwrap();
    let (second, _pool) = task(&manager);
    assert_eq!(second.limit(), (128 * MIB) as u64);
}

#[test]
fn a_consumer_that_comes_late_is_granted_the_floor_and_the_large_ones_then_spill() {
    let (task, pool) = task(&manager(256));
    let early = spilling(&pool, "Early");
    grow_until_refused(&early);
    let late = spilling(&pool, "Late");
    late.try_grow(TaskMemory::FLOOR as usize).unwrap();
    assert!(task.usage().peak_overdraft > 0);
    assert!(early.try_grow(1).is_err(), "an overdraft is repaid first");
    early.free();
    early.try_grow(100 * MIB).unwrap();
    assert!(late.try_grow(50 * MIB).is_ok());
}

#[test]
fn a_consumer_that_cannot_spill_takes_all_that_is_free() {
    let (_task, pool) = task(&manager(256));
    let sorter = spilling(&pool, "Sorter");
    sorter.try_grow(10 * MIB).unwrap();
    let build = MemoryConsumer::new("HashJoinInput").register(&pool);
    assert_eq!(grow_until_refused(&build), 246);
}

#[test]
fn growth_that_cannot_be_refused_is_booked_and_repaid_first() {
    let (task, pool) = task(&manager(256));
    let merge = MemoryConsumer::new("SMJStream").register(&pool);
    merge.grow(300 * MIB);
    assert_eq!(task.usage().peak_overdraft, (44 * MIB) as u64);
    assert!(spilling(&pool, "Sorter").try_grow(8 * MIB).is_err());
    merge.shrink(44 * MIB);
    assert_eq!(task.usage().held, (256 * MIB) as u64);
    drop(merge);
    assert!(spilling(&pool, "Sorter").try_grow(256 * MIB).is_ok());
}

#[test]
fn a_refusal_says_who_holds_what() {
    let (task, pool) = task(&manager(256));
    let build = MemoryConsumer::new("HashJoinInput[0]").register(&pool);
    build.try_grow(200 * MIB).unwrap();
    let error = build.try_grow(100 * MIB).unwrap_err().to_string();
    for words in [
        "HashJoinInput[0] asked for 100.0 MB",
        "200.0 MB, cannot spill",
        "256.0 MB",
    ] {
        assert!(error.contains(words), "{words} in {error}");
    }
    let usage = task.usage();
    let refusal = &usage.refusals[0];
    assert_eq!((refusal.times, refusal.asked), (1, (100 * MIB) as u64));
    assert_eq!(
        (refusal.held, refusal.task_limit),
        ((200 * MIB) as u64, (256 * MIB) as u64)
    );
    assert_eq!(usage.holders_at_peak[0].consumer, "HashJoinInput[0]");
}

#[test]
fn what_a_task_does_not_hold_is_there_for_others() {
    let manager = manager(256);
    let (first, pool) = task(&manager);
    let reservation = spilling(&pool, "Sorter");
    reservation.try_grow(200 * MIB).unwrap();
    reservation.free();
    let free = manager.pools(MemoryMode::OnHeap);
    assert!(free.execution_used <= TaskMemory::QUANTUM, "{free:?}");
    drop((reservation, pool, first));
    assert_eq!(manager.pools(MemoryMode::OnHeap).execution_used, 0);
    assert_eq!(manager.active_tasks(MemoryMode::OnHeap), 0);
}

#[test]
fn off_heap_memory_is_drawn_on_when_the_heap_is_used_up() {
    let region = |mib: usize| Region::new((mib * MIB) as u64, 0);
    let manager = UnifiedMemory::new(region(64), region(64));
    let (_task, pool) = task(&manager);
    let sorter = spilling(&pool, "Sorter");
    assert_eq!(grow_until_refused(&sorter), 128);
    assert!(matches!(pool.memory_limit(), MemoryLimit::Finite(limit) if limit == 128 * MIB));
    sorter.shrink(64 * MIB);
    let off_heap = manager.pools(MemoryMode::OffHeap);
    assert!(
        off_heap.execution_used <= 2 * TaskMemory::QUANTUM,
        "given back first: {off_heap:?}"
    );
}

/// Spark parks the thread of the second task here. Ours is told that it must wait and is registered;
/// the first then is above 1/2 of the memory and gets no more, and what it gives back is the
/// second's.
#[test]
fn where_spark_would_block_a_task_is_told_to_wait_and_the_older_one_gets_no_more() {
    let memory = manager(100);
    let (old, young) = (TaskId::next(), TaskId::next());
    let mode = MemoryMode::OnHeap;
    let mib = |n: usize| (n * MIB) as u64;
    assert_eq!(
        memory.acquire_execution(old, mib(90), mode),
        Acquired::Granted(mib(90))
    );
    assert_eq!(
        memory.acquire_execution(young, mib(30), mode),
        Acquired::MustWait
    );
    assert_eq!(memory.active_tasks(mode), 2);
    assert_eq!(
        memory.acquire_execution(old, mib(5), mode),
        Acquired::Granted(0)
    );
    memory.release_execution(old, mib(40), mode);
    assert_eq!(
        memory.acquire_execution(young, mib(30), mode),
        Acquired::Granted(mib(30))
    );
}

/// The same one level up: the younger query works within the floor, the older spills, both go on.
#[test]
fn a_second_query_gets_its_share_as_the_first_spills() {
    let manager = manager(256);
    let (_first, pool) = task(&manager);
    let older = spilling(&pool, "Older");
    assert_eq!(grow_until_refused(&older), 256);
    let (second, pool) = task(&manager);
    let younger = spilling(&pool, "Younger");
    assert_eq!(grow_until_refused(&younger), 4, "the floor");
    assert!(older.try_grow(MIB).is_err());
    older.free();
    assert!(grow_until_refused(&older) <= 128);
    assert!(grow_until_refused(&younger) >= 120, "{second:?}");
}

#[test]
fn a_region_that_shrinks_takes_nothing_from_tasks_and_grants_nothing_until_it_fits() {
    let manager = manager(200);
    let (_task, pool) = task(&manager);
    let sorter = spilling(&pool, "Sorter");
    sorter.try_grow(150 * MIB).unwrap();
    manager.resize(MemoryMode::OnHeap, Region::new((100 * MIB) as u64, 0));
    let pools = manager.pools(MemoryMode::OnHeap);
    assert_eq!(
        pools.execution, pools.execution_used,
        "free memory left at once"
    );
    assert!(sorter.try_grow(8 * MIB).is_err());
    sorter.free();
    assert_eq!(grow_until_refused(&sorter), 100);
    manager.resize(
        MemoryMode::OnHeap,
        Region::new((120 * MIB) as u64, (60 * MIB) as u64),
    );
    assert_eq!(
        grow_until_refused(&sorter),
        20,
        "execution borrows the new storage region"
    );
    sorter.free();
    drop(sorter);
}

#[test]
fn moving_the_border_moves_free_memory_to_its_side() {
    let manager = manager(100);
    let mib = |n: usize| (n * MIB) as u64;
    manager.resize(MemoryMode::OnHeap, Region::new(mib(100), mib(60)));
    let pools = manager.pools(MemoryMode::OnHeap);
    assert_eq!((pools.execution, pools.storage), (mib(40), mib(60)));
    manager.resize(MemoryMode::OnHeap, Region::new(mib(100), mib(20)));
    let pools = manager.pools(MemoryMode::OnHeap);
    assert_eq!((pools.execution, pools.storage), (mib(80), mib(20)));
}

/// Gives up as much as is asked for.
struct Obliging;

impl EvictBlocks for Obliging {
    fn pick(&self, _: Option<BlockId>, bytes: u64, _: MemoryMode) -> Option<Eviction> {
        (bytes > 0).then(|| Box::new(move || bytes) as Eviction)
    }
}

#[test]
fn what_is_allowed_beside_cached_blocks_is_allowed_in_their_place() {
    let mib = |n: usize| (n * MIB) as u64;
    let manager = UnifiedMemory::new(Region::new(mib(100), mib(20)), Region::EMPTY);
    manager.set_evictor(Arc::new(Obliging));
    let block = BlockId {
        dataset: 1,
        partition: 0,
    };
    assert!(manager.acquire_storage(block, mib(80), MemoryMode::OnHeap));
    // Others have taken what the region has free.
    manager.set_allowance(mib(82));
    let (task, pool) = task(&manager);
    assert_eq!(task.limit(), mib(62));
    let sort = spilling(&pool, "sort");
    assert_eq!(grow_until_refused(&sort), 62);
    let pools = manager.pools(MemoryMode::OnHeap);
    assert_eq!(pools.storage_used, mib(20));
}

#[derive(Debug, Clone)]
enum Act {
    TryGrow(usize, usize),
    Grow(usize, usize),
    Free(usize),
    Resize(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = 1..40 * MIB;
    prop_oneof![
        6 => (0..6usize, bytes.clone()).prop_map(|(who, bytes)| Act::TryGrow(who, bytes)),
        1 => (0..6usize, bytes).prop_map(|(who, bytes)| Act::Grow(who, bytes)),
        3 => (0..6usize).prop_map(Act::Free),
        1 => (16..200usize).prop_map(Act::Resize),
    ]
}

proptest! {
    /// Two tasks of three consumers each: the books agree with what was granted, nothing is granted
    /// beyond memory and floors, and everything comes back.
    #[test]
    fn the_books_balance(acts in prop::collection::vec(act(), 1..200)) {
        let memory = manager(128);
        let tasks = [task(&memory), task(&memory)];
        let reservations: Vec<_> = (0..6)
            .map(|at| spilling(&tasks[at % 2].1, &format!("Consumer[{at}]")))
            .collect();
        let mut unrefusable = 0;
        let mut largest = 128;
        for act in acts {
            match act {
                Act::TryGrow(who, bytes) => { let _ = reservations[who].try_grow(bytes); }
                Act::Grow(who, bytes) => { reservations[who].grow(bytes); unrefusable += bytes; }
                Act::Free(who) => { reservations[who].free(); }
                Act::Resize(mib) => {
                    memory.resize(MemoryMode::OnHeap, Region::new((mib * MIB) as u64, 0));
                    largest = largest.max(mib);
                }
            }
            let held: usize = reservations.iter().map(MemoryReservation::size).sum();
            let booked: u64 = tasks.iter().map(|(task, _)| task.usage().held).sum();
            prop_assert_eq!(held as u64, booked);
            let floors = 6 * TaskMemory::FLOOR as usize;
            prop_assert!(held <= largest * MIB + floors + unrefusable);
            let pools = memory.pools(MemoryMode::OnHeap);
            prop_assert!(pools.execution_used <= (largest * MIB) as u64);
        }
        drop(reservations);
        drop(tasks);
        prop_assert_eq!(memory.pools(MemoryMode::OnHeap).execution_used, 0);
        prop_assert_eq!(memory.active_tasks(MemoryMode::OnHeap), 0);
    }
}

/// A build side that sits idle: it holds what it was given, and lets go of it when asked.
struct IdleBuild {
    reservation: MemoryReservation,
    busy: std::sync::atomic::AtomicBool,
}

impl plimsoll_memory::Reclaim for IdleBuild {
    fn reclaimable(&self) -> u64 {
        self.reservation.size() as u64
    }

    fn reclaim(&self, bytes: u64) -> u64 {
        if self.busy.load(std::sync::atomic::Ordering::Relaxed) {
            return 0;
        }
        let freed = self.reservation.size().min(bytes as usize);
        self.reservation.shrink(freed);
        freed as u64
    }
}

#[test]
fn an_idle_operator_gives_back_what_another_needs_and_a_busy_one_keeps_it() {
    let (task, pool) = task(&manager(256));
    let reservation = MemoryConsumer::new("Build")
        .with_can_spill(true)
        .register(&pool);
    reservation.try_grow(200 * MIB).unwrap();
    let build = Arc::new(IdleBuild {
        reservation,
        busy: true.into(),
    });
    let offered: Arc<dyn plimsoll_memory::Reclaim> = Arc::clone(&build) as _;
    task.offer(&build.reservation, Arc::downgrade(&offered));
    let probe = MemoryConsumer::new("CannotSpill").register(&pool);
    assert!(probe.try_grow(100 * MIB).is_err());
    build
        .busy
        .store(false, std::sync::atomic::Ordering::Relaxed);
    probe.try_grow(100 * MIB).unwrap();
    assert!(build.reservation.size() <= 156 * MIB);

    // One that can spill helps itself first, once it has its share.
    let sorter = spilling(&pool, "Sorter");
    sorter.try_grow(40 * MIB).unwrap();
    let before = build.reservation.size();
    assert!(sorter.try_grow(100 * MIB).is_err());
    assert_eq!(build.reservation.size(), before);
    drop(offered);
    drop(build);
    assert_eq!(task.reclaimable(), 0);
}
