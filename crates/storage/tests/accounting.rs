//! What is on the books for cached blocks is what the allocator handed out for them.

use std::alloc::System;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use datafusion::common::Result;
use datafusion::common::config::SpillCompression;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use plimsoll_memory::{CountingAllocator, MemoryMode, Meter, Region, UnifiedMemory};
use plimsoll_storage::{BlockStore, CacheOptions, CachedTable, Dataset, Lineage};

#[global_allocator]
static ALLOCATOR: CountingAllocator<System> = CountingAllocator::new(System);

struct Plan(LogicalPlan);

impl Lineage for Plan {
    fn plan(&self) -> Result<LogicalPlan> {
        Ok(self.0.clone())
    }
}

/// What the process may allocate or free meanwhile for something else, such as the plan.
const ELSEWHERE: u64 = 160 << 10;

/// Rows of the types that hold memory in different ways.
const QUERIES: [(&str, &str); 5] = [
    (
        "numbers",
        "SELECT value AS a, CASE WHEN value % 3 = 0 THEN NULL ELSE value * 1.5 END AS b FROM generate_series(1, 1000000)",
    ),
    (
        "texts",
        "SELECT 'a text that is no part of its view ' || value AS s, arrow_cast('t' || value, 'Utf8View') AS v FROM generate_series(1, 500000)",
    ),
    (
        "long views",
        "SELECT arrow_cast('a text that is no part of its view ' || value, 'Utf8View') AS v FROM generate_series(1, 500000)",
    ),
    (
        "dictionaries",
        "SELECT arrow_cast('a word of few, ' || (value * value % 7919), 'Dictionary(Int32, Utf8)') AS d FROM generate_series(1, 1500000)",
    ),
    (
        "lists",
        "SELECT [value, value + 1, NULL] AS l, {a: value, b: 'x' || value} AS s FROM generate_series(1, 300000)",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_on_the_books_are_bytes_that_are_held() {
    let meter = Meter::start().unwrap();
    for level in ["MEMORY_ONLY", "MEMORY_ONLY_SER"] {
        for (name, query) in QUERIES {
            let memory = UnifiedMemory::new(Region::new(1 << 30, 1 << 29), Region::EMPTY);
            let disk = Arc::new(DiskManager::builder().build().unwrap());
            let store = BlockStore::new(Arc::clone(&memory), disk, false);
            let context =
                SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
            let plan = context
                .sql(query)
                .await
                .unwrap()
                .into_optimized_plan()
                .unwrap();
            let schema = plan.schema().as_arrow().clone();
            let options = CacheOptions {
                rows: 10_000,
                compression: SpillCompression::Lz4Frame,
                pruning: true,
            };
            let level = level.parse().unwrap();
            let dataset = Dataset::new(store, Arc::new(Plan(plan)), &schema, level, options);
            let table = CachedTable::new(Arc::clone(&dataset));
            context.register_table("t", Arc::new(table)).unwrap();
            // Whatever is there once for all queries is there after this one.
            let rows = context.sql(query).await.unwrap();
            rows.collect().await.unwrap();
            let before = settled(&meter);
            let count = context.sql("SELECT count(*) FROM t").await.unwrap();
            count.collect().await.unwrap();
            let held = settled(&meter) - before;
            let usage = dataset.usage();
            assert_eq!(usage.memory, memory.pools(MemoryMode::OnHeap).storage_used);
            let off = usage.memory.abs_diff(held);
            assert!(
                usage.memory > 2_000_000 && off < held * 3 / 100 + ELSEWHERE,
                "{name} at {level}: {} on the books, {held} held",
                usage.memory
            );
        }
    }
}

/// What is allocated when what ran before is gone.
fn settled(meter: &Meter) -> u64 {
    let mut last = u64::MAX;
    for _ in 0..100 {
        sleep(Duration::from_millis(30));
        let now = meter.now().allocated;
        if now.abs_diff(last) < 4096 {
            return now;
        }
        last = now;
    }
    last
}
