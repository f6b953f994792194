//! What a process remembers of past work: bounded by settings and by the driver's memory, and flat however much work there was.

use std::alloc::System;

use futures::TryStreamExt;
use plimsoll_conf::{Machine, Surroundings};
use plimsoll_driver::{QueryRecord, Session};
use plimsoll_memory::CountingAllocator;
use tokio::sync::Mutex;

#[global_allocator]
static ALLOCATOR: CountingAllocator<System> = CountingAllocator::new(System);

/// What is allocated is counted for the whole process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

fn session(memory: &str) -> Session {
    Session::builder()
        .surroundings(Surroundings::default())
        .machine(Machine::with_memory(64 << 30))
        .master("local[2]")
        .memory(memory)
        .build()
        .unwrap()
}

async fn run(session: &Session, sql: &str) {
    let rows = session.sql(sql).await.unwrap().rows;
    if let Some(rows) = rows {
        rows.try_collect::<Vec<_>>().await.unwrap();
    }
}

fn ids(session: &Session) -> Vec<u64> {
    session
        .history()
        .records()
        .map(|record| record.id)
        .collect()
}

#[tokio::test]
async fn the_least_of_the_retained_settings_bounds_the_history_also_while_the_session_runs() {
    let _alone = ALONE.lock().await;
    let session = session("256m");
    for _ in 0..6 {
        run(&session, "SELECT 1").await;
    }
    let answer = session.sql("SET spark.ui.retainedJobs = 4").await.unwrap();
    assert_eq!(answer.notices, ["spark.ui.retainedJobs: 1000 -> 4"]);
    assert_eq!(ids(&session), [2, 3, 4, 5]);
    run(&session, "SET spark.sql.ui.retainedExecutions = 2").await;
    assert_eq!(ids(&session), [4, 5]);
    let held = session.driver_memory().metadata.now;
    assert!(held > 0);
    run(&session, "SET spark.ui.retainedStages = 0").await;
    run(&session, "SELECT 1").await;
    assert_eq!((ids(&session), session.history().forgotten()), (vec![], 7));
    assert_eq!(session.driver_memory().metadata.now, 0);
    run(&session, "RESET").await;
    run(&session, "SELECT 1").await;
    assert_eq!(ids(&session), [7]);
    // There is no record of a task, and it is said so.
    let answer = session.sql("SET spark.ui.retainedTasks = 1").await.unwrap();
    let told = "settings that are recorded but have no effect yet: spark.ui.retainedTasks";
    assert_eq!(answer.notices, [told]);
    run(&session, "SELECT 1").await;
    assert_eq!(ids(&session), [7, 8]);
}

#[tokio::test]
async fn texts_of_enormous_statements_are_cut_and_a_smaller_driver_remembers_less() {
    let _alone = ALONE.lock().await;
    let session = session("256m");
    let last = |session: &Session| -> QueryRecord {
        let history = session.history();
        history.records().next_back().unwrap()
    };
    let long = format!("SELECT 'é{}' AS s", "x".repeat(1 << 20));
    run(&session, &long).await;
    let most = session.driver_memory().limit as usize / 1024;
    let kept = last(&session).sql;
    assert!(kept.len() <= most + '…'.len_utf8() && kept.len() > most / 2);
    assert!(kept.starts_with("SELECT 'éxxx") && kept.ends_with('…'));
    run(&session, "SET spark.sql.event.truncate.length = 9").await;
    run(&session, "SELECT 'é'").await;
    assert_eq!(last(&session).sql, "SELECT '…");
    run(&session, "RESET").await;

    for _ in 0..40 {
        run(&session, &long).await;
    }
    let before = (ids(&session).len(), session.driver_memory());
    assert!(before.1.metadata.now <= before.1.limit / 16, "{before:?}");
    run(&session, "SET spark.plimsoll.memory = 80m").await;
    let after = (ids(&session).len(), session.driver_memory());
    assert!(after.0 < before.0 && after.0 > 0, "{before:?} {after:?}");
    assert!(after.1.metadata.now <= after.1.limit / 16, "{after:?}");
    assert_eq!(ids(&session).last(), Some(&41));
}

/// Live bytes of this process, when what a query leaves to others to free has been freed.
async fn live(session: &Session) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        least = least.min(session.memory().held.allocated);
    }
    least
}

/// How many queries: few enough for a moment, or as many as the environment says.
fn many() -> usize {
    let asked = std::env::var("PLIMSOLL_QUERIES").ok();
    asked.and_then(|number| number.parse().ok()).unwrap_or(900)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_queries_and_sessions_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let session = session("256m");
    run(&session, "SET spark.sql.ui.retainedExecutions = 100").await;
    run(
        &session,
        "CREATE TEMPORARY VIEW t AS SELECT id, id % 7 AS k FROM range(100)",
    )
    .await;
    let queries = [
        "SELECT k, count(*) FROM t GROUP BY k ORDER BY k",
        "SELECT a.id FROM t a JOIN t b ON a.id = b.id WHERE a.k = 3",
        "SET spark.sql.shuffle.partitions = 20",
        "CREATE OR REPLACE TEMPORARY VIEW u AS SELECT * FROM t WHERE id > 5",
        "SELECT max(id) OVER (PARTITION BY k) FROM u",
    ];
    let work = async |number: usize| {
        for query in queries.iter().cycle().take(number) {
            run(&session, query).await;
        }
        for _ in 0..number / 20 {
            let sibling = session.sibling().await.unwrap();
            run(&sibling, queries[0]).await;
            run(&sibling, "CREATE TEMPORARY VIEW mine AS SELECT * FROM t").await;
        }
        live(&session).await
    };
    let few = many() / 3;
    let before = work(few).await;
    let after = work(many() - few).await;
    println!("{} queries: {before} bytes live, then {after}", many());
    assert!(after < before + (256 << 10), "{before} {after}");
    assert_eq!(session.memory().running, []);
    assert!(session.unified_memory().tasks().is_empty());
}
