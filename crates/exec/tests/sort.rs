//! A sort gives what DataFusion's gives with all the memory it wants, and keeps to the memory it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use datafusion::arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, UInt64Array,
};
use datafusion::arrow::compute::{SortOptions, concat_batches};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{
    GreedyMemoryPool, MemoryConsumer, MemoryPool, UnboundedMemoryPool,
};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use plimsoll_exec::ExternalSortExec;
use plimsoll_memory::{Region, TaskMemory, UnifiedMemory};

const ROWS: usize = 10_000;

fn schema() -> SchemaRef {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("few", DataType::Int64, true),
        Field::new("many", DataType::Float64, true),
        Field::new("text", DataType::Utf8View, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("word", dictionary, true),
        Field::new("number", DataType::UInt64, false),
    ]))
}

/// Rows in batches of different lengths, the same ones each time.
fn rows() -> Vec<RecordBatch> {
    // Every value below is a function of the row's number: a step of a multiplicative generator.
    let mix = |number: usize, salt: u64| {
        (number as u64 + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ salt)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            >> 17
    };
    let words: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..3000).map(|word| {
            format!("word {:04} {}", mix(word, 9) % 3000, "w".repeat(60))
        })));
    let (mut batches, mut start) = (Vec::new(), 0);
    while start < ROWS {
        let length = (1 + mix(start, 1) as usize % 700).min(ROWS - start);
        let each = || start..start + length;
        let null = |row: usize| !mix(row, 2).is_multiple_of(11);
        let few = each().map(|row| null(row).then(|| mix(row, 3) as i64 % 40 - 20));
        let many = each()
            .map(|row| (!mix(row, 4).is_multiple_of(13)).then(|| mix(row, 5) as f64 / 7.0 - 1e12));
        let text = each().map(|row| {
            let value = mix(row, 6);
            (value % 17 > 0).then(|| format!("{}{value}", "t".repeat(value as usize % 90)))
        });
        let name = each().map(|row| {
            let value = mix(row, 7);
            (value % 5 > 0).then(|| format!("name {}", value % 500))
        });
        let word = Int32Array::from_iter(
            each().map(|row| null(row + 1).then(|| (mix(row, 8) % 3000) as i32)),
        );
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter(few)),
            Arc::new(Float64Array::from_iter(many)),
            Arc::new(StringViewArray::from_iter(text)),
            Arc::new(StringArray::from_iter(name)),
            Arc::new(DictionaryArray::<Int32Type>::new(word, Arc::clone(&words))),
            Arc::new(UInt64Array::from_iter_values(each().map(|row| row as u64))),
        ];
        batches.push(RecordBatch::try_new(schema(), columns).unwrap());
        start += length;
    }
    batches
}

/// `few` down, `text`: the names of columns, with what is not the default said after them.
fn order(by: &str) -> LexOrdering {
    let each = by.split(", ").map(|by| {
        let mut words = by.split(' ');
        let name = words.next().unwrap();
        let options = SortOptions {
            descending: by.contains(" down"),
            nulls_first: !by.contains(" nulls last"),
        };
        PhysicalSortExpr::new(col(name, &schema()).unwrap(), options)
    });
    LexOrdering::new(each).unwrap()
}

const ORDERS: [&str; 9] = [
    "few",
    "few down",
    "many nulls last",
    "text",
    "text down nulls last",
    "name down",
    "word, few down",
    "name, many down nulls last, text",
    "few, word, name",
];

fn sort(by: &str, fetch: Option<usize>, input: Vec<RecordBatch>) -> SortExec {
    let scan = MemorySourceConfig::try_new_exec(&[input], schema(), None).unwrap();
    SortExec::new(order(by), scan).with_fetch(fetch)
}

fn context(runtime: Arc<RuntimeEnv>) -> Arc<TaskContext> {
    let config = SessionConfig::new().with_batch_size(256);
    let context = TaskContext::default().with_session_config(config);
    Arc::new(context.with_runtime(runtime))
}

fn runtime(pool: Arc<dyn MemoryPool>) -> Arc<RuntimeEnv> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .build_arc()
        .unwrap()
}

fn metric(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
    let metrics = plan.metrics().unwrap();
    metrics
        .sum_by_name(name)
        .map_or(0, |value| value.as_usize())
}

/// What is sorted by, and then the row's number: two lists of it are equal if the sorts agree.
fn told(by: &str, rows: &RecordBatch, with_number: bool) -> String {
    let mut columns: Vec<_> = order(by)
        .iter()
        .map(|by| {
            rows.schema()
                .index_of(by.expr.to_string().split('@').next().unwrap())
                .unwrap()
        })
        .collect();
    if with_number {
        columns.push(5);
    }
    let shown = rows.project(&columns).unwrap();
    pretty_format_batches(&[shown]).unwrap().to_string()
}

/// The answer of DataFusion, with the rows that are equal in the order in that of the input.
async fn expected(by: &str, fetch: Option<usize>) -> RecordBatch {
    // Its top 0 panics.
    if fetch == Some(0) {
        return RecordBatch::new_empty(schema());
    }
    let stable = format!("{by}, number");
    let plan = Arc::new(sort(&stable, fetch, rows()));
    let batches = collect(plan, context(Arc::default())).await.unwrap();
    concat_batches(&schema(), &batches).unwrap()
}

struct Sorted {
    rows: RecordBatch,
    plan: Arc<dyn ExecutionPlan>,
}

async fn external(by: &str, fetch: Option<usize>, runtime: &Arc<RuntimeEnv>) -> Sorted {
    let plan: Arc<dyn ExecutionPlan> = Arc::new(ExternalSortExec::new(&sort(by, fetch, rows())));
    let batches = collect(Arc::clone(&plan), context(Arc::clone(runtime)))
        .await
        .unwrap_or_else(|error| panic!("{by}: {error}"));
    assert!(batches.iter().all(|batch| batch.num_rows() <= 700), "{by}");
    assert_nothing_left(by, runtime);
    Sorted {
        rows: concat_batches(&schema(), &batches).unwrap(),
        plan,
    }
}

fn assert_nothing_left(by: &str, runtime: &RuntimeEnv) {
    assert_eq!(runtime.memory_pool.reserved(), 0, "memory is left: {by}");
    assert_eq!(
        runtime.disk_manager.used_disk_space(),
        0,
        "disk is left: {by}"
    );
}

/// Rows as they should be; those that are equal in the order may be in another where runs were merged twice.
fn assert_sorted(by: &str, sorted: &Sorted, expected: &RecordBatch) {
    let was_merged_twice = metric(&sorted.plan, "merges") > 0;
    let told = |rows| told(by, rows, !was_merged_twice);
    assert!(told(&sorted.rows) == told(expected), "{by}");
    let numbers = |rows: &RecordBatch| {
        let column = rows
            .column(5)
            .as_any()
            .downcast_ref::<UInt64Array>()
            .unwrap();
        let mut numbers = column.values().to_vec();
        numbers.sort_unstable();
        numbers
    };
    let numbers_here = numbers(&sorted.rows);
    assert!(
        numbers_here.windows(2).all(|pair| pair[0] < pair[1]),
        "{by}: a row came twice"
    );
    if expected.num_rows() == ROWS {
        assert_eq!(numbers_here, numbers(expected), "{by}");
    }
}

#[tokio::test]
async fn what_fits_is_sorted_in_memory() {
    for by in ORDERS {
        let runtime = runtime(Arc::new(UnboundedMemoryPool::default()));
        let sorted = external(by, None, &runtime).await;
        assert_sorted(by, &sorted, &expected(by, None).await);
        assert_eq!(metric(&sorted.plan, "runs"), 0, "{by}");
        assert_eq!(
            sorted.plan.metrics().unwrap().output_rows().unwrap(),
            ROWS,
            "{by}"
        );
    }
}

#[tokio::test]
async fn what_does_not_fit_is_merged_from_disk() {
    for by in ORDERS {
        let runtime = runtime(Arc::new(GreedyMemoryPool::new(1 << 20)));
        let sorted = external(by, None, &runtime).await;
        assert_sorted(by, &sorted, &expected(by, None).await);
        assert!(metric(&sorted.plan, "runs") > 1, "{by}");
        assert!(
            sorted.plan.metrics().unwrap().spilled_rows() >= Some(ROWS),
            "{by}"
        );
        assert!(
            sorted.plan.metrics().unwrap().spilled_bytes() > Some(0),
            "{by}"
        );
    }
}

#[tokio::test]
async fn with_hardly_any_memory_runs_are_merged_again_and_again() {
    for by in ORDERS {
        let runtime = runtime(Arc::new(GreedyMemoryPool::new(60 << 10)));
        let sorted = external(by, None, &runtime).await;
        assert_sorted(by, &sorted, &expected(by, None).await);
        assert!(metric(&sorted.plan, "merges") > 2, "{by}");
    }
}

#[tokio::test]
async fn without_memory_it_is_sorted_all_the_same() {
    let runtime = runtime(Arc::new(GreedyMemoryPool::new(0)));
    let sorted = external("few, text", None, &runtime).await;
    assert_sorted("few, text", &sorted, &expected("few, text", None).await);
}

#[tokio::test]
async fn the_first_rows_are_those_of_all() {
    for by in ORDERS {
        for fetch in [0, 1, 7, 4000, ROWS + 1] {
            let all = expected(by, Some(fetch)).await;
            for limit in [usize::MAX, 1 << 20, 100 << 10] {
                let runtime = runtime(Arc::new(GreedyMemoryPool::new(limit)));
                let sorted = external(by, Some(fetch), &runtime).await;
                assert_eq!(sorted.rows.num_rows(), fetch.min(ROWS), "{by}");
                assert_sorted(by, &sorted, &all);
                if fetch <= 7 && limit >= 1 << 20 {
                    assert_eq!(metric(&sorted.plan, "runs"), 0, "{by}, first {fetch}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_limit_drops_what_comes_behind_it() {
    let many: Vec<_> = std::iter::repeat_with(rows).take(20).flatten().collect();
    let plan = sort("many", Some(10), many);
    let plan: Arc<dyn ExecutionPlan> = Arc::new(ExternalSortExec::new(&plan));
    let pool = Arc::new(Peak::default());
    let runtime = runtime(Arc::clone(&pool) as _);
    let batches = collect(plan, context(runtime)).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 10);
    let all: usize = 20
        * rows()
            .iter()
            .map(RecordBatch::get_array_memory_size)
            .sum::<usize>();
    let peak = pool.peak.load(Ordering::Relaxed);
    assert!(peak < all / 4, "{peak} of {all}");
}

/// Counts the most that was held.
#[derive(Debug, Default)]
struct Peak {
    held: AtomicUsize,
    peak: AtomicUsize,
}

impl std::fmt::Display for Peak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "peak")
    }
}

impl MemoryPool for Peak {
    fn name(&self) -> &str {
        "peak"
    }

    fn grow(&self, _: &datafusion::execution::memory_pool::MemoryReservation, more: usize) {
        let held = self.held.fetch_add(more, Ordering::Relaxed) + more;
        self.peak.fetch_max(held, Ordering::Relaxed);
    }

    fn shrink(&self, _: &datafusion::execution::memory_pool::MemoryReservation, less: usize) {
        self.held.fetch_sub(less, Ordering::Relaxed);
    }

    fn try_grow(
        &self,
        of: &datafusion::execution::memory_pool::MemoryReservation,
        more: usize,
    ) -> Result<()> {
        self.grow(of, more);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Takes memory back after so many batches of the result, from a sort that is being read.
async fn read_and_reclaim(by: &str, fetch: Option<usize>, after: usize) -> (RecordBatch, usize) {
    let task = TaskMemory::new(UnifiedMemory::new(Region::new(256 << 20, 0), Region::EMPTY));
    let runtime = runtime(Arc::clone(&task) as _);
    let plan: Arc<dyn ExecutionPlan> = Arc::new(ExternalSortExec::new(&sort(by, fetch, rows())));
    let mut stream = plan.execute(0, context(runtime)).unwrap();
    let mut batches = Vec::new();
    for _ in 0..after {
        batches.extend(stream.next().await.transpose().unwrap());
    }
    let held = task.reserved() as u64;
    assert!(held > 512 << 10);
    assert_eq!(task.reclaimable(), held);
    assert_eq!(task.reclaim(1), held);
    assert_eq!(task.reserved(), 0);
    while let Some(batch) = stream.next().await {
        batches.push(batch.unwrap());
    }
    let rows = concat_batches(&schema(), &batches).unwrap();
    (rows, metric(&plan, "reclaimed"))
}

#[tokio::test]
async fn memory_is_taken_back_while_the_rows_are_read() {
    for by in ORDERS {
        for (fetch, after) in [(None, 1), (None, 30), (Some(4500), 1), (Some(4500), 10)] {
            let (rows, reclaimed) = read_and_reclaim(by, fetch, after).await;
            let all = expected(by, fetch).await;
            assert!(told(by, &rows, true) == told(by, &all, true), "{by}");
            assert_eq!(reclaimed, 1, "{by}");
        }
    }
}

#[tokio::test]
async fn memory_is_taken_back_between_two_batches_of_the_input() {
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

    /// Takes all memory back before every hundredth batch.
    #[derive(Debug)]
    struct Reclaiming(Arc<TaskMemory>, Arc<AtomicBool>);

    impl PartitionStream for Reclaiming {
        fn schema(&self) -> &SchemaRef {
            static SCHEMA: std::sync::LazyLock<SchemaRef> = std::sync::LazyLock::new(schema);
            &SCHEMA
        }

        fn execute(&self, _: Arc<TaskContext>) -> datafusion::execution::SendableRecordBatchStream {
            let (task, took) = (Arc::clone(&self.0), Arc::clone(&self.1));
            let batches = rows().into_iter().enumerate().map(move |(number, batch)| {
                if number % 10 == 9 && task.reclaim(1) > 0 {
                    took.store(true, Ordering::Relaxed);
                }
                Ok(batch)
            });
            Box::pin(RecordBatchStreamAdapter::new(
                schema(),
                futures::stream::iter(batches),
            ))
        }
    }

    for by in ORDERS {
        let task = TaskMemory::new(UnifiedMemory::new(Region::new(256 << 20, 0), Region::EMPTY));
        let took = Arc::new(AtomicBool::new(false));
        let stream = Arc::new(Reclaiming(Arc::clone(&task), Arc::clone(&took))) as _;
        let scan = StreamingTableExec::try_new(schema(), vec![stream], None, [], false, None);
        let sort = SortExec::new(order(by), Arc::new(scan.unwrap()));
        let plan: Arc<dyn ExecutionPlan> = Arc::new(ExternalSortExec::new(&sort));
        let batches = collect(Arc::clone(&plan), context(runtime(task)))
            .await
            .unwrap();
        let rows = concat_batches(&schema(), &batches).unwrap();
        assert!(took.load(Ordering::Relaxed), "{by}");
        assert!(metric(&plan, "runs") > 1, "{by}");
        assert_sorted(by, &Sorted { rows, plan }, &expected(by, None).await);
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_with_words() {
    let disk = DiskManagerBuilder::default().with_max_temp_directory_size(100 << 10);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(300 << 10)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .unwrap();
    let plan = Arc::new(ExternalSortExec::new(&sort("text", None, rows())));
    let error = collect(plan, context(Arc::clone(&runtime)))
        .await
        .unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("of a sort cannot be written") && words.contains("spark.local.dir"),
        "{words}"
    );
    assert_nothing_left("text", &runtime);
}

#[tokio::test]
async fn rows_that_others_leave_no_memory_for_are_sorted() {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(4 << 20));
    let others = MemoryConsumer::new("others").register(&pool);
    others.try_grow(4 << 20).unwrap();
    let runtime = runtime(pool);
    let plan: Arc<dyn ExecutionPlan> = Arc::new(ExternalSortExec::new(&sort("name", None, rows())));
    let batches = collect(Arc::clone(&plan), context(Arc::clone(&runtime)))
        .await
        .unwrap();
    let rows = concat_batches(&schema(), &batches).unwrap();
    assert_sorted(
        "name",
        &Sorted { rows, plan },
        &expected("name", None).await,
    );
    assert_eq!(runtime.memory_pool.reserved(), 4 << 20);
}

#[tokio::test]
async fn no_rows_and_no_columns_but_the_key_are_sorted() {
    let runtime = runtime(Arc::new(GreedyMemoryPool::new(1 << 20)));
    let plan = Arc::new(ExternalSortExec::new(&sort("text", None, Vec::new())));
    assert!(collect(plan, context(runtime)).await.unwrap().is_empty());
}

#[tokio::test]
async fn narrow_rows_with_a_large_limit_spill_too() {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let batch = |number: i64| {
        let values = (0..500).map(|row| (row * 7919 + number * 104_729) % 1_000_003);
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap()
    };
    let batches: Vec<_> = (0..100).map(batch).collect();
    for fetch in [49_999, usize::MAX / 2] {
        let scan = MemorySourceConfig::try_new_exec(
            std::slice::from_ref(&batches),
            Arc::clone(&schema),
            None,
        )
        .unwrap();
        let by = PhysicalSortExpr::new_default(col("n", &schema).unwrap());
        let sort = SortExec::new(LexOrdering::new([by]).unwrap(), scan).with_fetch(Some(fetch));
        let plan: Arc<dyn ExecutionPlan> = Arc::new(ExternalSortExec::new(&sort));
        let pool = Arc::new(GreedyMemoryPool::new(512 << 10));
        let sorted = collect(Arc::clone(&plan), context(runtime(pool)))
            .await
            .unwrap();
        let rows = concat_batches(&schema, &sorted).unwrap();
        let column = rows
            .column(0)
            .as_any()
            .downcast_ref::<Int64Array>()
            .unwrap();
        assert!(column.values().is_sorted());
        assert_eq!(rows.num_rows(), fetch.min(50_000));
        assert!(metric(&plan, "runs") > 1);
    }
}
