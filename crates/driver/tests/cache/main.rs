//! Cached plans: found by what they compute, kept at every level, evicted and computed again.

mod room;

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use futures::{StreamExt, TryStreamExt};
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::{CachedPlan, Session};
use plimsoll_memory::MemoryMode;

const LEVELS: [&str; 11] = [
    "DISK_ONLY",
    "DISK_ONLY_2",
    "MEMORY_ONLY",
    "MEMORY_ONLY_2",
    "MEMORY_ONLY_SER",
    "MEMORY_AND_DISK",
    "MEMORY_AND_DISK_2",
    "MEMORY_AND_DISK_SER",
    "MEMORY_AND_DISK_SER_2",
    "MEMORY_AND_DISK_DESER",
    "OFF_HEAP",
];

fn session(settings: &[(&str, &str)]) -> Arc<Session> {
    let mut conf = Conf::default();
    let memory = [
        ("spark.plimsoll.memory", "512m"),
        ("spark.master", "local[2]"),
    ];
    for (key, value) in memory.iter().chain(settings) {
        conf.set(key, value, Origin::Code).unwrap();
    }
    Arc::new(Session::new(conf, Machine::with_memory(64 << 30), Vec::new()).unwrap())
}

/// A session with so much unified memory and nothing lent.
fn small(mib: u64) -> Arc<Session> {
    let fraction = format!("{}", mib as f64 / 64.0);
    session(&[
        ("spark.plimsoll.memory", "65m"),
        ("spark.plimsoll.memory.reserved", "1m"),
        ("spark.memory.fraction", &fraction),
        ("spark.plimsoll.memory.lending", "false"),
    ])
}

async fn batches(session: &Session, sql: &str) -> Vec<RecordBatch> {
    let answer = session
        .sql(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    match answer.rows {
        Some(rows) => rows
            .try_collect()
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}")),
        None => Vec::new(),
    }
}

async fn text(session: &Session, sql: &str) -> String {
    pretty_format_batches(&batches(session, sql).await)
        .unwrap()
        .to_string()
}

async fn run(session: &Session, sql: &str) {
    batches(session, sql).await;
}

async fn fails(session: &Session, sql: &str) -> String {
    match session.sql(sql).await {
        Err(error) => error.to_string(),
        Ok(answer) => match answer.rows.expect("rows").try_collect::<Vec<_>>().await {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{sql} does not fail"),
        },
    }
}

fn only(session: &Session) -> CachedPlan {
    let mut cached = session.cached();
    assert_eq!(cached.len(), 1, "{cached:?}");
    cached.remove(0)
}

fn storage_used(session: &Session) -> u64 {
    session
        .unified_memory()
        .pools(MemoryMode::OnHeap)
        .storage_used
}

/// Two files of a thousand rows each and the view `t` of them.
async fn files(session: &Session, directory: &Path) {
    for file in 0..2 {
        let (from, to) = (file * 1000, (file + 1) * 1000);
        write(
            session,
            directory,
            file,
            &format!("SELECT id, id % 7 AS k, repeat('x', 20) || id AS s FROM range({from}, {to})"),
        )
        .await;
    }
    let path = directory.display();
    run(
        session,
        &format!("CREATE OR REPLACE TEMPORARY VIEW t USING parquet OPTIONS (path '{path}')"),
    )
    .await;
}

async fn write(session: &Session, directory: &Path, file: usize, query: &str) {
    let batches = batches(session, query).await;
    let target = std::fs::File::create(directory.join(format!("{file}.parquet"))).unwrap();
    let mut writer =
        datafusion::parquet::arrow::ArrowWriter::try_new(target, batches[0].schema(), None)
            .unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap();
}

const SUMS: &str =
    "SELECT k, count(*) AS n, sum(id) AS ids, max(s) AS s FROM t GROUP BY k ORDER BY k";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_computed_once_and_found_by_what_it_computes() {
    let directory = tempfile::tempdir().unwrap();
    let session = session(&[]);
    files(&session, directory.path()).await;
    let query = "SELECT id + 1 AS next, s FROM t WHERE k = 3";
    let expected = text(&session, &format!("{query} ORDER BY next")).await;
    run(&session, &format!("CACHE LAZY TABLE threes AS {query}")).await;
    assert_eq!(
        only(&session).usage,
        Default::default(),
        "nothing is computed before it is read"
    );
    assert_eq!(
        text(&session, "SELECT * FROM threes ORDER BY next").await,
        expected
    );
    let usage = only(&session).usage;
    assert_eq!(
        (usage.cached_partitions, usage.rows),
        (usage.partitions, 286)
    );
    assert!(
        usage.memory > 0 && usage.misses > 0 && usage.hits == 0,
        "{usage:?}"
    );
    assert!(
        storage_used(&session) == usage.memory,
        "what it holds is on the books"
    );
    // Other files are there now; whoever asks for the same rows under whatever name gets those that are cached.
    write(
        &session,
        directory.path(),
        0,
        "SELECT 1 AS id, 3 AS k, 'new' AS s",
    )
    .await;
    let again = "SELECT x.id + 1 AS next, x.s FROM t AS x WHERE x.k = 3 ORDER BY next";
    assert_eq!(text(&session, again).await, expected);
    assert!(
        text(&session, &format!("EXPLAIN {again}"))
            .await
            .contains("CachedScanExec")
    );
    let other = "SELECT x.id + 2 AS next, x.s FROM t AS x WHERE x.k = 3 ORDER BY next";
    assert!(
        !text(&session, &format!("EXPLAIN {other}"))
            .await
            .contains("CachedScanExec")
    );
    assert!(only(&session).usage.hits > 0);
    run(&session, "REFRESH TABLE t").await;
    assert_eq!(storage_used(&session), 0);
    assert_ne!(
        text(&session, again).await,
        expected,
        "REFRESH TABLE lets go of what is out of date"
    );
    run(&session, "UNCACHE TABLE threes").await;
    assert!(session.cached().is_empty() && storage_used(&session) == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statements_say_what_is_wrong_and_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let session = session(&[]);
    files(&session, directory.path()).await;
    run(
        &session,
        "CACHE TABLE t OPTIONS ('storageLevel' 'MEMORY_ONLY')",
    )
    .await;
    let cached = only(&session);
    assert_eq!(
        (cached.name.as_str(), cached.level.to_string().as_str()),
        ("t", "MEMORY_ONLY")
    );
    assert_eq!(
        cached.usage.rows, 2000,
        "CACHE TABLE without LAZY computes the rows"
    );
    let notices = session.sql("CACHE TABLE t").await.unwrap().notices;
    assert!(notices[0].contains("cached already"), "{notices:?}");
    assert!(text(&session, "SHOW CACHE").await.contains("MEMORY_ONLY"));
    assert!(
        fails(&session, "CACHE TABLE missing")
            .await
            .contains("there is no view missing")
    );
    assert!(
        fails(&session, "UNCACHE TABLE missing")
            .await
            .contains("there is no view missing")
    );
    run(&session, "UNCACHE TABLE IF EXISTS missing").await;
    assert!(
        fails(
            &session,
            "CACHE TABLE t OPTIONS ('storageLevel' 'SOMEWHERE')"
        )
        .await
        .contains("MEMORY_AND_DISK")
    );
    assert!(
        fails(&session, "CACHE TABLE t AS SELECT 1")
            .await
            .contains("already")
    );
    let failing = "CACHE TABLE broken AS SELECT CAST('x' || id AS INT) AS n FROM t";
    fails(&session, failing).await;
    assert_eq!(
        session.table_names().unwrap(),
        ["t"],
        "the view of a query that fails is gone"
    );
    assert_eq!(session.cached().len(), 1);
    let two = session
        .sql("CACHE LAZY TABLE two OPTIONS ('storageLevel' 'DISK_ONLY_2') AS SELECT 2 AS n")
        .await
        .unwrap();
    assert!(two.notices[0].contains("one copy"), "{:?}", two.notices);
    run(&session, "DROP VIEW two").await;
    assert_eq!(
        session.cached().len(),
        1,
        "a view that is dropped is not cached"
    );
    run(&session, "CLEAR CACHE").await;
    assert!(session.cached().is_empty());
    // What computed the one that failed ends in its own time.
    until(|| storage_used(&session) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_levels_give_the_same_rows_while_blocks_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let query = "SELECT id, id % 7 AS k, md5('' || id) || md5('a' || id) AS s FROM range(80000)";
    let sums = "SELECT k, count(*) AS n, sum(id) AS ids, max(s) AS s FROM t GROUP BY k ORDER BY k";
    let plenty = session(&[]);
    for file in 0..2 {
        write(&plenty, directory.path(), file, query).await;
    }
    let view = format!(
        "CREATE TEMPORARY VIEW t USING parquet OPTIONS (path '{}')",
        directory.path().display()
    );
    run(&plenty, &view).await;
    let expected = text(&plenty, sums).await;
    for level in LEVELS {
        let session = small(16);
        run(&session, &view).await;
        run(
            &session,
            &format!("CACHE TABLE t OPTIONS ('storageLevel' '{level}')"),
        )
        .await;
        // Another table, which wants the same memory.
        let other = "CACHE LAZY TABLE other OPTIONS ('storageLevel' 'MEMORY_ONLY') AS
                     SELECT id, md5('b' || id) || md5('c' || id) AS s FROM range(60000)";
        run(&session, other).await;
        for _ in 0..3 {
            assert_eq!(text(&session, sums).await, expected, "{level}");
            run(&session, "SELECT max(s) FROM other").await;
            // Execution takes what storage holds above its region.
            run(&session, "SELECT id, s FROM t ORDER BY s, id LIMIT 30000").await;
        }
        let cached = session.cached();
        let table = &cached[0].usage;
        let evicted: u64 = cached.iter().map(|plan| plan.usage.evictions).sum();
        let used: u64 = cached.iter().map(|plan| plan.usage.memory).sum();
        assert_eq!(storage_used(&session), used, "{level}: {cached:?}");
        match level {
            "DISK_ONLY" | "DISK_ONLY_2" | "OFF_HEAP" => {
                assert!(
                    table.memory < 32 << 10 && table.disk_reads > 0,
                    "{level}: {table:?}"
                );
            }
            _ => assert!(evicted > 0, "{level}: {cached:?}"),
        }
        match level.starts_with("MEMORY_ONLY") {
            true => assert!(
                table.recomputes > 0 || table.misses > table.partitions,
                "{level}: {table:?}"
            ),
            false => assert!(
                table.disk_reads > 0 && table.recomputes == 0,
                "{level}: {table:?}"
            ),
        }
        run(&session, "CLEAR CACHE").await;
        assert_eq!(storage_used(&session), 0, "{level}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_was_evicted_is_computed_again_alone() {
    let directory = tempfile::tempdir().unwrap();
    let session = small(16);
    for file in 0..2 {
        write(
            &session,
            directory.path(),
            file,
            "SELECT id, repeat('x', 200) || id AS s FROM range(22000)",
        )
        .await;
    }
    run(
        &session,
        &format!(
            "CREATE TEMPORARY VIEW t USING parquet OPTIONS (path '{}')",
            directory.path().display()
        ),
    )
    .await;
    run(
        &session,
        "CACHE TABLE t OPTIONS ('storageLevel' 'MEMORY_ONLY')",
    )
    .await;
    let before = only(&session).usage;
    assert_eq!((before.cached_partitions, before.partitions), (2, 2));
    // So much that one of the two has to go.
    session.unified_memory().evict(1);
    run(&session, "SET spark.memory.storageFraction=0.4").await;
    let after = only(&session).usage;
    assert_eq!(after.cached_partitions, 1, "{after:?}");
    assert_eq!(
        text(
            &session,
            "SELECT count(s) AS n, min(id) AS a, max(id) AS b FROM t"
        )
        .await,
        text(&session, "SELECT 44000 AS n, 0 AS a, 21999 AS b").await
    );
    let again = only(&session).usage;
    assert_eq!(
        (
            again.recomputes,
            again.misses - after.misses,
            again.hits - after.hits
        ),
        (1, 1, 1),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_pruned_and_blocks_passed_over_whose_bounds_exclude_them() {
    let session = session(&[("spark.sql.inMemoryColumnarStorage.batchSize", "500")]);
    run(
        &session,
        "CACHE TABLE t AS SELECT id, 'n' || (10000 + id) AS s, id % 3 AS k FROM range(10000)",
    )
    .await;
    for (filter, rows) in [
        ("id BETWEEN 600 AND 700", 101),
        ("s = 'n10650'", 1),
        ("id > 20000", 0),
    ] {
        let sql = format!("SELECT s, id FROM t WHERE {filter}");
        let found: usize = batches(&session, &sql)
            .await
            .iter()
            .map(RecordBatch::num_rows)
            .sum();
        assert_eq!(found, rows);
        let plan = text(&session, &format!("EXPLAIN ANALYZE {sql}")).await;
        let metric = |name: &str| -> usize {
            let from = plan
                .find(&format!("{name}="))
                .unwrap_or_else(|| panic!("{name} in {plan}"));
            let digits = plan[from + name.len() + 1..]
                .chars()
                .take_while(char::is_ascii_digit);
            digits.collect::<String>().parse().unwrap()
        };
        assert!(plan.contains("columns=[id, s]"), "{plan}");
        assert!(
            metric("blocks_skipped") >= 18 && metric("blocks_from_memory") <= 2,
            "{plan}"
        );
    }
    let unpruned = "SET spark.sql.inMemoryColumnarStorage.partitionPruning=false";
    run(&session, unpruned).await;
    run(
        &session,
        "CACHE TABLE u AS SELECT id, id + 1 AS n FROM range(10000)",
    )
    .await;
    let plan = text(&session, "EXPLAIN ANALYZE SELECT * FROM u WHERE id > 20000").await;
    assert!(plan.contains("blocks_skipped=0"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_queries_at_once_compute_a_plan_once() {
    let session = session(&[]);
    run(&session, "CACHE LAZY TABLE t AS SELECT id, id % 7 AS k, repeat('x', 20) || id AS s FROM range(300000)").await;
    let query = |session: Arc<Session>| tokio::spawn(async move { text(&session, SUMS).await });
    let both: Vec<_> = (0..4).map(|_| query(Arc::clone(&session))).collect();
    let mut answers = Vec::new();
    for answer in both {
        answers.push(answer.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let usage = only(&session).usage;
    assert_eq!((usage.recomputes, usage.rows), (0, 300_000), "{usage:?}");
    assert_eq!(usage.hits + usage.misses, 4 * usage.partitions);
    // A plan that reads it twice waits for nobody but the one that computes it.
    run(&session, "REFRESH TABLE t").await;
    let twice = text(
        &session,
        "SELECT count(*) AS n FROM t AS a JOIN t AS b ON a.id = b.id",
    )
    .await;
    assert!(twice.contains("300000"), "{twice}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_stays_until_it_was_read() {
    for level in ["MEMORY_ONLY", "MEMORY_AND_DISK", "DISK_ONLY"] {
        let session = small(32);
        run(&session, &format!("CACHE TABLE t OPTIONS ('storageLevel' '{level}') AS SELECT id, repeat('x', 80) || id AS s FROM range(100000)")).await;
        let mut rows = session
            .sql("SELECT id, s FROM t")
            .await
            .unwrap()
            .rows
            .unwrap();
        let first = rows.next().await.unwrap().unwrap();
        let mut read = first.num_rows();
        // Evicted and uncached while it is read.
        run(&session, "SET spark.memory.storageFraction=0").await;
        run(&session, "UNCACHE TABLE t").await;
        while let Some(batch) = rows.try_next().await.unwrap() {
            read += batch.num_rows();
        }
        assert_eq!(read, 100_000, "{level}");
        drop(rows);
        until(|| storage_used(&session) == 0).await;
    }
}

/// Waits for what happens soon after the end of a query.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it did not come to pass in 5 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_of_a_plan_that_fails_or_is_given_up_halfway() {
    let session = session(&[]);
    let failing = "CACHE LAZY TABLE t AS SELECT id, 100 / (id - 90000) AS q, repeat('x', 50) AS s FROM range(100000)";
    run(&session, failing).await;
    fails(&session, "SELECT sum(CAST(s || id AS INT)) FROM t").await;
    let broken = "CACHE LAZY TABLE b AS SELECT id, CAST(CASE WHEN id > 90000 THEN 'x' ELSE '' END || id AS INT) AS n FROM range(100000)";
    run(&session, broken).await;
    fails(&session, "SELECT sum(n) FROM b").await;
    run(&session, "UNCACHE TABLE t").await;
    let usage = only(&session).usage;
    assert_eq!(
        (usage.cached_partitions, usage.memory, usage.disk),
        (0, 0, 0),
        "{usage:?}"
    );
    until(|| storage_used(&session) == 0).await;
    run(
        &session,
        "CACHE LAZY TABLE long AS SELECT id, md5('' || id) AS s FROM range(5000000)",
    )
    .await;
    let rows = session
        .sql("SELECT max(s) FROM long")
        .await
        .unwrap()
        .rows
        .unwrap();
    until(|| storage_used(&session) > 1 << 20).await;
    drop(rows);
    until(|| storage_used(&session) == 0).await;
    let usage = session.cached().remove(1).usage;
    assert_eq!(
        (usage.cached_partitions, usage.memory, usage.disk),
        (0, 0, 0),
        "{usage:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_with_an_exchange_is_lost_and_computed_as_a_whole() {
    let session = small(8);
    let query = "SELECT k, count(*) AS n, max(s) AS s FROM (SELECT id % 20000 AS k, repeat('x', 60) || id AS s FROM range(60000)) GROUP BY k";
    let expected = text(
        &session,
        &format!("SELECT sum(n) AS n, max(s) AS s, count(*) AS k FROM ({query})"),
    )
    .await;
    run(
        &session,
        &format!("CACHE TABLE t OPTIONS ('storageLevel' 'MEMORY_ONLY') AS {query}"),
    )
    .await;
    for fraction in ["0.4", "0", "0.5"] {
        run(
            &session,
            &format!("SET spark.memory.storageFraction={fraction}"),
        )
        .await;
        let sums = "SELECT sum(n) AS n, max(s) AS s, count(*) AS k FROM t";
        assert_eq!(text(&session, sums).await, expected);
    }
    let usage = only(&session).usage;
    assert!(usage.recomputes > 0, "{usage:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_plan_is_computed_from_another() {
    let directory = tempfile::tempdir().unwrap();
    let session = session(&[]);
    files(&session, directory.path()).await;
    let expected = text(&session, SUMS).await;
    run(
        &session,
        "CACHE LAZY TABLE a AS SELECT * FROM t WHERE id >= 0",
    )
    .await;
    run(
        &session,
        "CACHE LAZY TABLE b AS SELECT id, k, s FROM a WHERE k >= 0",
    )
    .await;
    let sums = SUMS.replace("FROM t", "FROM b");
    assert_eq!(text(&session, &sums).await, expected);
    let cached = session.cached();
    assert!(
        cached.iter().all(|plan| plan.usage.rows == 2000),
        "{cached:?}"
    );
    // The files are gone, and what was computed is not.
    std::fs::remove_dir_all(directory.path()).unwrap();
    run(&session, "REFRESH TABLE b").await;
    assert_eq!(text(&session, &sums).await, expected);
    assert_eq!(session.cached()[1].usage.rows, 2000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_process_share_what_is_cached() {
    let first = session(&[]);
    run(
        &first,
        "CACHE TABLE t AS SELECT id, id * 2 AS twice FROM range(1000)",
    )
    .await;
    let second = first.sibling().await.unwrap();
    assert!(
        text(&second, "EXPLAIN SELECT twice FROM t")
            .await
            .contains("CachedScanExec")
    );
    run(&second, "UNCACHE TABLE t").await;
    assert!(
        !text(&first, "EXPLAIN SELECT twice FROM t")
            .await
            .contains("CachedScanExec")
    );
    // Functions heed the time zone of the session.
    run(&second, "SET spark.sql.session.timeZone=Asia/Tokyo").await;
    run(&first, "CACHE TABLE t").await;
    assert!(
        !text(&second, "EXPLAIN SELECT twice FROM t")
            .await
            .contains("CachedScanExec")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_functions_answer_otherwise_each_time_is_computed_in_one_run() {
    let directory = tempfile::tempdir().unwrap();
    let session = session(&[]);
    files(&session, directory.path()).await;
    run(
        &session,
        "CACHE LAZY TABLE b AS SELECT id, random() AS r FROM t",
    )
    .await;
    // One partition alone is enough for this.
    run(&session, "SELECT * FROM b LIMIT 1").await;
    let usage = only(&session).usage;
    assert_eq!((usage.cached_partitions, usage.partitions), (2, 2));
    let random = "SELECT sum(r) AS r FROM b";
    assert_eq!(text(&session, random).await, text(&session, random).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_goes_takes_along_what_was_cached_under_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let session = session(&[]);
    files(&session, directory.path()).await;
    let view = "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT id FROM t WHERE id > 5";
    run(&session, view).await;
    run(&session, "CACHE TABLE v").await;
    run(&session, view).await;
    assert_eq!(session.cached().len(), 1, "it is the same");
    run(&session, &view.replace('5', "6")).await;
    assert!(session.cached().is_empty());
    let plan = session.table("v").await.unwrap().unwrap();
    session.persist(&plan, None, None).unwrap();
    run(&session, "DROP VIEW v").await;
    assert_eq!(
        session.cached().len(),
        1,
        "a DataFrame of the same plan stays"
    );
    session.register_view("v", plan.clone()).unwrap();
    assert!(session.drop_temp_view("v").unwrap());
    assert!(session.cached().is_empty() && session.storage_level(&plan).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_is_computed_from_one_with_an_exchange_is_of_one_computation() {
    let session = small(16);
    let query = "SELECT DISTINCT id, md5('' || id) || md5('a' || id) AS s FROM range(60000)";
    let level = "OPTIONS ('storageLevel' 'MEMORY_ONLY')";
    run(
        &session,
        &format!("CACHE LAZY TABLE one {level} AS {query}"),
    )
    .await;
    let other = "SELECT id, s FROM one WHERE id % 3 < 2";
    run(
        &session,
        &format!("CACHE LAZY TABLE other {level} AS {other}"),
    )
    .await;
    for fraction in ["0.5", "0.1", "0.9"] {
        for (view, rows) in [("one", 60_000), ("other", 40_000)] {
            let sql = format!("SELECT count(DISTINCT id) AS ids, count(s) AS n FROM {view}");
            let expected = format!("SELECT {rows} AS ids, {rows} AS n");
            assert_eq!(text(&session, &sql).await, text(&session, &expected).await);
        }
        run(
            &session,
            &format!("SET spark.memory.storageFraction={fraction}"),
        )
        .await;
    }
    let cached = session.cached();
    assert!(
        cached.iter().any(|plan| plan.usage.recomputes > 0),
        "{cached:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_disk_is_full_blocks_stay_or_are_computed_again_and_nothing_leaks() {
    let directory = tempfile::tempdir().unwrap();
    let session = session(&[
        ("spark.plimsoll.memory", "65m"),
        ("spark.plimsoll.memory.reserved", "1m"),
        ("spark.memory.fraction", "0.25"),
        ("spark.plimsoll.memory.lending", "false"),
        ("spark.plimsoll.spill.maxSize", "1m"),
    ]);
    files(&session, directory.path()).await;
    run(&session, "SET spark.memory.storageFraction=0.9").await;
    run(
        &session,
        "CACHE TABLE big AS SELECT id, md5('' || id) || md5('a' || id) AS s FROM range(80000)",
    )
    .await;
    let expected = text(&session, "SELECT count(s) AS n, max(s) AS s FROM big").await;
    for _ in 0..5 {
        run(&session, "SET spark.memory.storageFraction=0.1").await;
        assert_eq!(
            text(&session, "SELECT count(s) AS n, max(s) AS s FROM big").await,
            expected
        );
        run(&session, "SET spark.memory.storageFraction=0.9").await;
    }
    run(&session, "CLEAR CACHE").await;
    until(|| storage_used(&session) == 0).await;
    // All that may be spilled may be spilled again.
    run(
        &session,
        "CACHE TABLE less OPTIONS ('storageLevel' 'DISK_ONLY') AS SELECT id FROM range(10000)",
    )
    .await;
    assert_eq!(only(&session).usage.rows, 10_000);
}
