//! What scans hold of files that are larger than their memory, as an allocator counts it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::builder::{Int32Builder, ListBuilder};
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder,
};
use futures::TryStreamExt;
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::Session;
use tokio::sync::Mutex;

const MIB: usize = 1 << 20;

/// Counts what is allocated and not freed.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: the system's allocator does all the work; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, since all count with one allocator.
static ALONE: Mutex<()> = Mutex::const_new(());

fn session(memory: &str) -> Session {
    let mut conf = Conf::default();
    for (key, value) in [
        ("spark.plimsoll.memory", memory),
        ("spark.master", "local[2]"),
    ] {
        conf.set(key, value, Origin::Code).unwrap();
    }
    Session::new(conf, Machine::with_memory(64 << 30), Vec::new()).unwrap()
}

/// Runs a query to its last row, and gives the numbers of its first row, the bytes of its largest batch,
/// and the most that was live meanwhile beyond what was live before.
async fn run(session: &Session, sql: &str) -> (Vec<i64>, usize, usize) {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut rows = session.sql(sql).await.unwrap().rows.unwrap();
    let (mut first, mut largest) = (None, 0);
    while let Some(batch) = rows.try_next().await.unwrap() {
        largest = largest.max(batch.get_array_memory_size());
        first.get_or_insert_with(|| {
            let columns = batch.columns().iter();
            let numbers = columns.filter_map(|column| column.as_primitive_opt::<Int64Type>());
            numbers.map(|column| column.value(0)).collect::<Vec<_>>()
        });
    }
    let peak = PEAK.load(Ordering::Relaxed) - before;
    (first.unwrap_or_default(), largest, peak)
}

/// One row group of these batches.
fn write(
    path: &Path,
    properties: WriterPropertiesBuilder,
    batches: impl Iterator<Item = RecordBatch>,
) {
    let properties = properties
        .set_max_row_group_row_count(Some(usize::MAX))
        .build();
    let mut batches = batches.peekable();
    let schema = batches.peek().unwrap().schema();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).unwrap();
    for batch in batches {
        writer.write(&batch).unwrap();
    }
    assert_eq!(writer.close().unwrap().num_row_groups(), 1);
}

/// What Parquet writers write that do not say where pages are.
fn without_index() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
}

const ROWS: i64 = 2_000_000;
const WIDTH: usize = 100;

fn wide_texts() -> impl Iterator<Item = RecordBatch> {
    let start = (0..ROWS).step_by(10_000);
    start.map(|start| {
        let numbers = || start..(start + 10_000).min(ROWS);
        let texts = numbers().map(|number| format!("{number:0>WIDTH$}"));
        let columns: [(&str, ArrayRef); 2] = [
            ("id", Arc::new(Int64Array::from_iter_values(numbers()))),
            ("s", Arc::new(StringArray::from_iter_values(texts))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_row_group_is_read_in_slices_with_and_without_an_index_of_its_pages() {
    let _alone = ALONE.lock().await;
    let directory = tempfile::tempdir().unwrap();
    for (name, properties) in [
        ("indexed", WriterProperties::builder()),
        ("plain", without_index()),
    ] {
        let path = directory.path().join(name);
        write(
            &path,
            properties.set_dictionary_enabled(false),
            wide_texts(),
        );
        let group = std::fs::metadata(&path).unwrap().len() as usize;
        assert!(group > 200 * MIB);
        let session = session("256m");
        let sql = format!(
            "SELECT count(*), sum(id), sum(CAST(length(s) AS BIGINT)), sum(CAST(substr(s, 90) AS BIGINT)) \
             FROM parquet.`{}`",
            path.display()
        );
        let (sums, _, peak) = run(&session, &sql).await;
        let sum = ROWS * (ROWS - 1) / 2;
        assert_eq!(sums, [ROWS, sum, ROWS * WIDTH as i64, sum]);
        println!(
            "{name}: {} MiB live of a row group of {} MiB",
            peak / MIB,
            group / MIB
        );
        assert!(peak < 48 * MIB, "{name}: {} MiB were live", peak / MIB);

        // The same rows, in order, through a filter that leaves most of them out.
        let sql = format!(
            "SELECT id, s FROM parquet.`{}` WHERE id % 1000 = 7 ORDER BY id DESC LIMIT 1",
            path.display()
        );
        let (last, ..) = run(&session, &sql).await;
        assert_eq!(last, [ROWS - 1000 + 7]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_dictionaries_come_back_whole_from_slices() {
    let _alone = ALONE.lock().await;
    let directory = tempfile::tempdir().unwrap();
    const ROWS: i64 = 300_000;
    let batches = || {
        (0..ROWS).step_by(10_000).map(|start| {
            let mut lists = ListBuilder::new(Int32Builder::new());
            for row in start..start + 10_000 {
                match row % 7 {
                    0 => lists.append(false),
                    count => {
                        let items = (0..count).map(|item| Some((row * 10 + item) as i32));
                        lists.append_value(items);
                    }
                }
            }
            let names = (start..start + 10_000).map(|row| format!("a name of many, {}", row % 50));
            let columns: [(&str, ArrayRef); 3] = [
                (
                    "id",
                    Arc::new(Int64Array::from_iter_values(start..start + 10_000)),
                ),
                ("lists", Arc::new(lists.finish())),
                ("names", Arc::new(StringArray::from_iter_values(names))),
            ];
            RecordBatch::try_from_iter_with_nullable(
                columns.map(|(name, array)| (name, array, true)),
            )
            .unwrap()
        })
    };
    let sql = |path: &Path| {
        format!(
            "SELECT count(*), sum(id), count(DISTINCT names), sum(CAST(cardinality(lists) AS BIGINT) * id), \
             sum(CAST(lists[0] AS BIGINT) * id) FROM parquet.`{}`",
            path.display()
        )
    };
    let mut answers = Vec::new();
    for (name, properties) in [
        ("indexed", WriterProperties::builder()),
        ("plain", without_index()),
    ] {
        let path = directory.path().join(name);
        write(
            &path,
            properties.set_data_page_size_limit(64 << 10),
            batches(),
        );
        for memory in ["64m", "8g"] {
            answers.push(run(&session(memory), &sql(&path)).await.0);
        }
    }
    assert_eq!(answers[0][..3], [ROWS, ROWS * (ROWS - 1) / 2, 50]);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_many_columns_are_bounded_in_bytes() {
    let _alone = ALONE.lock().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wide");
    let column = Arc::new(Int64Array::from_iter_values((0..4096).map(|row| row % 3))) as ArrayRef;
    let columns = (0..5000).map(|at| (format!("c{at}"), Arc::clone(&column)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    write(&path, WriterProperties::builder(), std::iter::once(batch));
    let sql = format!("SELECT * FROM parquet.`{}` WHERE c4999 < 2", path.display());
    let (first, largest, peak) = run(&session("512m"), &sql).await;
    assert_eq!(first.len(), 5000);
    println!("{} MiB live, batches of {} KiB", peak / MIB, largest >> 10);
    assert!(largest < 8 * MIB, "{largest}");
    // All rows in one batch would be 156 MiB.
    assert!(peak < 100 * MIB, "{} MiB were live", peak / MIB);
}
