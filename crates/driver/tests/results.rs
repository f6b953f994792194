//! Results: counted against `spark.driver.maxResultSize`, kept in the driver's part of the memory or on disk, and no further
//! read than they are wanted.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use futures::TryStreamExt;
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::{Collected, Error, QueryRecord, ResultTooLarge, Rows, Session, Status};
use plimsoll_memory::{DriverUse, MemoryMode};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

const MAX_RESULT_SIZE: &str = "spark.driver.maxResultSize";

/// A million rows of 8 bytes which hardly compress.
const WIDE: &str = "SELECT (id * 7919 + id % 1013) * 104729 * id AS n FROM range(1000000)";

fn session_of(settings: &[(&str, &str)]) -> (Session, TempDir) {
    let spill = tempfile::tempdir().unwrap();
    let local = spill.path().display().to_string();
    let mut conf = Conf::default();
    let ours = [
        ("spark.plimsoll.memory", "512m"),
        ("spark.local.dir", &local),
    ];
    for (key, value) in ours.iter().chain(settings) {
        conf.set(key, value, Origin::Code).unwrap();
    }
    let session = Session::new(conf, Machine::with_memory(64 << 30), vec![]).unwrap();
    (session, spill)
}

async fn rows(session: &Session, sql: &str) -> Rows {
    session.sql(sql).await.unwrap().rows.unwrap()
}

async fn collect(session: &Session, sql: &str) -> Result<Collected, Error> {
    rows(session, sql).await.collect().await
}

async fn too_large(session: &Session, sql: &str) -> ResultTooLarge {
    match collect(session, sql)
        .await
        .map(|collected| collected.num_rows())
    {
        Err(Error::ResultTooLarge(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn record(session: &Session) -> QueryRecord {
    session.history().records().next_back().unwrap()
}

/// Waits until nothing is held any more: the threads of a query that was ended let go of their memory when they next look.
async fn until_free(session: &Session) {
    let start = Instant::now();
    loop {
        let execution = session
            .unified_memory()
            .pools(MemoryMode::OnHeap)
            .execution_used;
        if execution == 0 && session.driver_memory().results.now == 0 {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{execution} bytes are still held"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Files that the session has in its directory.
fn spill_files(directory: &Path) -> usize {
    let ours = fs::read_dir(directory).unwrap();
    let inside = ours.flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap());
    let has_content =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().metadata().unwrap().len() > 0;
    inside.map(has_content).filter(|has| *has).count()
}

fn numbers(collected: &Collected) -> Vec<i64> {
    let batches = collected.batches().map(Result::unwrap);
    let values = |batch: RecordBatch| {
        batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    };
    batches.flat_map(values).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_too_large_ends_the_query_with_sparks_words_and_what_to_do() {
    let (session, _spill) = session_of(&[(MAX_RESULT_SIZE, "1m"), ("spark.master", "local[2]")]);
    let error = too_large(&session, WIDE).await;
    let words = error.to_string();
    let sparks = format!(
        "Total size of serialized results of {} tasks (",
        error.tasks
    );
    assert!(words.starts_with(&sparks), "{words}");
    assert!(
        words.contains(") is bigger than spark.driver.maxResultSize (1024.0 KiB). "),
        "{words}"
    );
    assert!(
        error.bytes > MIB && error.bytes < 2 * MIB,
        "it was not ended at once: {words}"
    );
    let failed = record(&session);
    assert_eq!(failed.status, Status::Failed);
    assert_eq!(failed.error.as_deref(), Some(words.as_str()));
    assert!(failed.rows_scanned < 1_000_000, "{failed:?}");
    until_free(&session).await;

    // What it says to do does it.
    let fit = error.rows_that_fit();
    assert!(words.contains(&format!("limit({fit})")), "{words}");
    let some = collect(&session, &format!("{WIDE} LIMIT {fit}"))
        .await
        .unwrap();
    assert_eq!(some.num_rows(), fit);
    assert!(some.bytes_in_memory() > MIB / 2, "far more would have fit");
    drop(some);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_known_how_many_rows_there_are_the_error_says_what_would_be_enough() {
    let (session, spill) = session_of(&[(MAX_RESULT_SIZE, "1m")]);
    let table = spill.path().join("numbers.parquet");
    let mut random = 1_i64;
    let numbers = (0..1_000_000).map(|_| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        random >> 16
    });
    let numbers = Int64Array::from_iter_values(numbers);
    let batch = RecordBatch::try_from_iter([("n", Arc::new(numbers) as ArrayRef)]).unwrap();
    write(&table, &batch, 100_000);
    let sql = format!("SELECT n FROM parquet.`{}`", table.display());
    let error = too_large(&session, &sql).await;
    let enough = error
        .sufficient()
        .expect("the file says how many there are");
    let words = error.to_string();
    assert!(
        words.contains(&format!("{MAX_RESULT_SIZE} to {enough},")),
        "{words}"
    );
    assert_eq!(error.rows_in_all, Some(1_000_000));
    session
        .set_setting(MAX_RESULT_SIZE, &enough, Origin::Set)
        .unwrap();
    assert_eq!(collect(&session, &sql).await.unwrap().num_rows(), 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_too_large_where_there_is_no_limit_or_where_rows_are_not_kept() {
    let (session, _spill) = session_of(&[(MAX_RESULT_SIZE, "1")]);
    let one = too_large(&session, "SELECT 1").await;
    assert_eq!(one.rows_that_fit(), 0);
    let streamed: Vec<RecordBatch> = rows(&session, WIDE).await.try_collect().await.unwrap();
    assert_eq!(
        streamed.iter().map(RecordBatch::num_rows).sum::<usize>(),
        1_000_000
    );
    session
        .sql("SET spark.driver.maxResultSize = 0")
        .await
        .unwrap();
    let all = collect(&session, WIDE).await.unwrap();
    assert_eq!(all.num_rows(), 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_counted_as_it_is_sent_and_not_as_it_is_in_memory() {
    let (session, _spill) = session_of(&[(MAX_RESULT_SIZE, "1m")]);
    // 16 MB of the same text, and 8 MB of the same number.
    let sql = "SELECT 'sixteen letters!' AS s, 7 * 7 AS n FROM range(1000000)";
    let collected = collect(&session, sql).await.unwrap();
    assert_eq!(collected.num_rows(), 1_000_000);
    // Offsets, which Spark's rows do not have, are kept and do not count.
    assert!(collected.bytes_in_memory() < 5 * MIB);
    let plain: usize = collected
        .batches()
        .map(|batch| batch.unwrap().get_array_memory_size())
        .sum();
    assert!(plain as u64 > 16 * MIB, "{plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_driver_has_no_room_for_comes_by_way_of_disk() {
    let (session, spill) = session_of(&[]);
    let in_memory = collect(&session, WIDE).await.unwrap();
    assert_eq!(in_memory.bytes_on_disk(), 0);
    assert_eq!(
        session.driver_memory().results.now,
        in_memory.bytes_in_memory()
    );
    let expected = numbers(&in_memory);
    drop(in_memory);

    let mut others = session.driver_books().account(DriverUse::Broadcasts);
    others.grow(session.driver_memory().free() - MIB);
    let collected = collect(&session, WIDE).await.unwrap();
    let driver = session.driver_memory();
    assert!(collected.bytes_in_memory() > MIB / 2 && collected.bytes_on_disk() > 2 * MIB);
    assert_eq!(driver.results.now, collected.bytes_in_memory());
    assert!(driver.total.now <= driver.limit);
    assert_eq!(spill_files(spill.path()), 1);
    assert!(
        numbers(&collected) == expected,
        "other rows came by way of disk"
    );
    assert!(
        numbers(&collected) == expected,
        "other rows came the second time"
    );
    assert_eq!(collected.schema().field(0).name(), "n");
    drop(collected);
    assert_eq!(session.driver_memory().results.now, 0);
    assert_eq!(spill_files(spill.path()), 0);
    assert!(record(&session).status == Status::Finished);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_ends_the_query_and_says_so() {
    let (session, _spill) = session_of(&[("spark.plimsoll.spill.maxSize", "100k")]);
    let mut others = session.driver_books().account(DriverUse::Broadcasts);
    // What is left is for the history.
    others.grow(session.driver_memory().free() - (40 << 10));
    let outcome = collect(&session, WIDE)
        .await
        .map(|collected| collected.num_rows());
    let Err(Error::Spill(words)) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(words.contains("spark.plimsoll.spill.maxSize"), "{words}");
    assert_eq!(record(&session).status, Status::Failed);
    until_free(&session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_rows_share_with_rows_that_are_gone_are_not_collected() {
    let (session, spill) = session_of(&[(MAX_RESULT_SIZE, "1m")]);
    let table = spill.path().join("texts.parquet");
    let texts = (0..100_000).map(|at| format!("{at} {}", "text ".repeat(20)));
    let batch = RecordBatch::try_from_iter([
        (
            "n",
            Arc::new(Int64Array::from_iter_values(0..100_000)) as ArrayRef,
        ),
        ("s", Arc::new(StringArray::from_iter_values(texts))),
    ]);
    write(&table, &batch.unwrap(), 100_000);
    let sql = format!(
        "SELECT s FROM parquet.`{}` WHERE n % 1000 = 0",
        table.display()
    );
    let collected = collect(&session, &sql).await.unwrap();
    assert_eq!(collected.num_rows(), 100);
    assert!(
        collected.bytes_in_memory() < 64 << 10,
        "{}",
        collected.bytes_in_memory()
    );
}

fn write(path: &Path, batch: &RecordBatch, group: usize) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The first rows of a large table are had without the others, in whatever way they are asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_stops_the_scan() {
    let (session, spill) = session_of(&[("spark.master", "local[4]")]);
    let table = spill.path().join("groups.parquet");
    let numbers = Int64Array::from_iter_values(0..2_000_000);
    let batch = RecordBatch::try_from_iter([("id", Arc::new(numbers) as ArrayRef)]).unwrap();
    // 200 row groups.
    write(&table, &batch, 10_000);
    let file = format!("parquet.`{}`", table.display());
    for table in ["range(1000000000)", &file] {
        for sql in [
            format!("SELECT * FROM {table} LIMIT 1000"),
            format!("SELECT id + 1 FROM {table} WHERE id % 3 = 0 LIMIT 1000"),
            format!("SELECT * FROM (SELECT id AS a FROM {table}) LIMIT 1000 OFFSET 500"),
            format!("SELECT * FROM {table} UNION ALL SELECT * FROM {table} LIMIT 1000"),
        ] {
            let collected = collect(&session, &sql).await.unwrap();
            assert_eq!(collected.num_rows(), 1000, "{sql}");
            let record = record(&session);
            assert_eq!(record.status, Status::Finished, "{sql}");
            assert!(
                record.rows_scanned >= 1000,
                "{sql}: {}",
                record.rows_scanned
            );
            assert!(
                record.rows_scanned <= 300_000,
                "{sql}: {}",
                record.rows_scanned
            );
            assert_little_is_held(&session, &collected);
        }
    }
}

/// What is held is the result.
fn assert_little_is_held(session: &Session, collected: &Collected) {
    assert_eq!(
        session.driver_memory().results.now,
        collected.bytes_in_memory()
    );
    assert!(collected.bytes_in_memory() < 64 << 10);
}
