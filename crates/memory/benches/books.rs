//! What the books cost: threads that take and give back memory in small steps, as operators do for
//! each batch, under `TaskMemory` and under DataFusion's own pools.
//!
//! `cargo bench -p plimsoll-memory`

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datafusion_execution::memory_pool::{
    FairSpillPool, GreedyMemoryPool, MemoryConsumer, MemoryPool, TrackConsumersPool,
};
use plimsoll_memory::{Region, TaskMemory, UnifiedMemory};

const MEMORY: usize = 1 << 30;
const BATCH: usize = 64 << 10;
/// Batches that a consumer takes before it gives all of them back.
const BATCHES: usize = 100;
const ROUNDS: usize = 50;

fn task_memory() -> Arc<dyn MemoryPool> {
    TaskMemory::new(UnifiedMemory::new(
        Region::new(MEMORY as u64, MEMORY as u64 / 2),
        Region::EMPTY,
    ))
}

fn pools() -> [(&'static str, Arc<dyn MemoryPool>); 4] {
    let top = std::num::NonZero::new(5).expect("five is not zero");
    [
        ("TaskMemory", task_memory()),
        ("GreedyMemoryPool", Arc::new(GreedyMemoryPool::new(MEMORY))),
        ("FairSpillPool", Arc::new(FairSpillPool::new(MEMORY))),
        (
            "TrackConsumersPool(Fair)",
            Arc::new(TrackConsumersPool::new(FairSpillPool::new(MEMORY), top)),
        ),
    ]
}

fn take_and_give(pool: &Arc<dyn MemoryPool>) {
    let reservation = MemoryConsumer::new("Bench")
        .with_can_spill(true)
        .register(pool);
    for _ in 0..ROUNDS {
        for _ in 0..BATCHES {
            black_box(reservation.try_grow(BATCH)).expect("there is enough for all threads");
        }
        reservation.free();
    }
}

fn books(criterion: &mut Criterion) {
    for threads in [1, 2, 8] {
        let mut group = criterion.benchmark_group(format!("{threads} threads"));
        group.throughput(Throughput::Elements((threads * ROUNDS * BATCHES) as u64));
        group.sample_size(20);
        for (name, pool) in pools() {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter(|| {
                    thread::scope(|scope| {
                        for _ in 0..threads {
                            scope.spawn(|| take_and_give(&pool));
                        }
                    });
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, books);
criterion_main!(benches);
