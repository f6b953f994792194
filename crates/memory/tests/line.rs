//! A process that keeps to its line: counted, gated, and put on disk what does not fit.
//!
//! All of it belongs to the process, so it is one test that goes through it in order.

use std::alloc::System;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion_execution::memory_pool::{MemoryConsumer, MemoryPool};
use plimsoll_memory::{
    Bounds, CountingAllocator, MemoryMode, Pressure, Region, TaskMemory, UnifiedMemory,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator<System> = CountingAllocator::new(System);

const MIB: usize = 1 << 20;

/// Memory that was written to, so that it is resident.
fn filled(mib: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(mib * MIB);
    bytes.resize(mib * MIB, 7);
    bytes
}

/// Waits for the control loop to come to what is expected of it.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_process_keeps_to_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let memory = UnifiedMemory::new(Region::new((64 * MIB) as u64, 0), Region::EMPTY);
    let bounds = |mib: usize, lending| Bounds {
        line: (mib * MIB) as u64,
        lending,
    };
    let pressure = Pressure::start(Arc::clone(&memory), bounds(512, true)).unwrap();
    pressure.overflow_into(directory.path()).unwrap();
    let now = || pressure.meter().now();

    // What is allocated is counted, and freed again.
    let before = now().allocated;
    let hundred = filled(100);
    let grown = now().allocated - before;
    assert!((100..104).contains(&(grown as usize / MIB)), "{grown}");
    assert!(pressure.meter().peak().allocated >= 100 << 20);
    drop(hundred);
    assert!(now().allocated < before + MIB as u64);

    // What the other parts of the line leave is lent, and more than nothing is kept back.
    until("memory is lent", || {
        memory.size(MemoryMode::Lent) > 256 << 20
    });
    assert!(memory.size(MemoryMode::Lent) < (512 - 64) << 20);

    // A task gets lent memory, and its limit shrinks as others allocate without announcing it.
    let task = TaskMemory::new(Arc::clone(&memory));
    let pool: Arc<dyn MemoryPool> = Arc::clone(&task) as _;
    let sorter = MemoryConsumer::new("Sorter")
        .with_can_spill(true)
        .register(&pool);
    sorter.try_grow(200 * MIB).unwrap();
    let unannounced = filled(200);
    until("growth is refused", || sorter.try_grow(100 * MIB).is_err());
    sorter.free();

    // User code ends the lending.
    let user_code = memory.run_user_code();
    until("nothing is lent", || memory.size(MemoryMode::Lent) == 0);
    drop(user_code);
    drop(unannounced);
    until("memory is lent again", || {
        memory.size(MemoryMode::Lent) > 256 << 20
    });
    pressure.set(bounds(512, false));
    until("lending is off", || memory.size(MemoryMode::Lent) == 0);
    assert!(sorter.try_grow(65 * MIB).is_err());

    // What a task allocates is on its account.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let held = runtime.block_on(task.at_work(async { filled(50) }));
    assert!(task.allocated() >= 50 << 20 && task.allocated() < 60 << 20);
    let unreserved = task.unreserved();
    assert!(unreserved >= 50 << 20, "{unreserved}");
    runtime.block_on(task.at_work(async move { drop(held) }));
    assert!(task.allocated() < 2 << 20);

    // Past the line: large allocations go to disk, hold what is written, and can grow and shrink.
    pressure.set(bounds(300, false));
    let mut large: Vec<Vec<u8>> = Vec::new();
    for at in 0..10 {
        let mut block = filled(50);
        block[at] = 1;
        large.push(block);
    }
    assert!(now().overflow > 200 << 20, "{:?}", now());
    let resident = pressure.meter().peak().resident;
    assert!(resident < 300 << 20, "{resident} with 500 MiB allocated");
    let mut expected = filled(30);
    for (at, block) in large.iter_mut().enumerate() {
        block.extend_from_slice(&[9; 3 * MIB]);
        block.truncate(30 * MIB);
        block.shrink_to_fit();
        expected[at] = 1;
        assert!(*block == expected, "{at}");
        expected[at] = 7;
    }
    drop(expected);
    assert!(pressure.steps().overflowed > 500 << 20);
    drop(large);
    assert_eq!(now().overflow, 0);

    // Small ones wait; when nobody frees anything the task that holds most is told to end.
    let hog = std::thread::spawn({
        let task = Arc::clone(&task);
        let runtime = runtime.handle().clone();
        move || {
            runtime.block_on(task.at_work(async {
                let mut small = Vec::new();
                while !task.is_cancelled() {
                    small.push(vec![7u8; 4096]);
                }
                // What it still needs on its way to where it hears of that does not keep it for long.
                let told = Instant::now();
                small.extend((0..512).map(|_| vec![7u8; 4096]));
                assert!(
                    told.elapsed() < Duration::from_secs(4),
                    "{:?}",
                    told.elapsed()
                );
                small.len()
            }))
        }
    });
    let allocated = hog.join().unwrap() * 4096;
    assert!((200 * MIB..300 * MIB).contains(&allocated), "{allocated}");
    assert!(pressure.steps().waits > 0 && pressure.steps().cancelled == 1);
    let reason = runtime.block_on(task.cancelled()).to_string();
    assert!(reason.contains("its line of 300.0 MB"), "{reason}");
    assert!(pressure.meter().peak().resident < 300 << 20);
    task.begin_anew();
    assert!(!task.is_cancelled());
}
