//! Several queries in one memory: each has its share, one that waits says so, and one that is cancelled makes room for others.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use plimsoll_conf::{Machine, Surroundings};
use plimsoll_driver::{Event, EventKind, EventStream, Query, Rows, Session, Status};
use tokio::task::JoinHandle;

const MIB: u64 = 1 << 20;

/// Sorts 60 MB of texts.
const SORT: &str =
    "SELECT id, repeat('x', 100) AS s FROM range(600000) ORDER BY id % 1000, s, id LIMIT 599999";

fn session(memory: &str) -> Session {
    Session::builder()
        .surroundings(Surroundings::default())
        .machine(Machine::with_memory(64 << 30))
        .master("local[2]")
        .memory(memory)
        .build()
        .unwrap()
}

/// A query whose rows are read by somebody else, who counts them.
async fn started(session: &Session, sql: &str) -> (Arc<Query>, JoinHandle<usize>) {
    let rows = session.sql(sql).await.unwrap().rows.unwrap();
    (rows.query().unwrap(), tokio::spawn(count(rows)))
}

async fn count(rows: Rows) -> usize {
    let batches = rows.map_ok(|batch| batch.num_rows());
    batches
        .try_fold(0, async |sum, rows| Ok(sum + rows))
        .await
        .unwrap()
}

/// Looks again and again until it is so; it has to become so before long.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("not in half a minute: {what}");
}

fn free(session: &Session) -> bool {
    session.memory().on_heap.execution_used == 0
}

fn last_status(session: &Session) -> Status {
    let history = session.history();
    history.records().next_back().unwrap().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_have_half_each_and_the_one_that_is_left_has_all() {
    let session = session("256m");
    let all = session.layout().executor.unified.bytes;
    let (first, reading) = started(&session, SORT).await;
    until("the first holds much", || {
        first.progress().execution > 8 * MIB
    })
    .await;
    assert!(first.progress().execution_limit > all * 9 / 10);
    let (second, counting) = started(&session, SORT).await;
    until("the second holds some", || {
        second.progress().execution > 2 * MIB
    })
    .await;
    let limits = [&first, &second].map(|query| query.progress().execution_limit);
    assert!(
        limits.iter().all(|limit| *limit <= all / 2),
        "{limits:?} of {all}"
    );
    assert_eq!(session.memory().running.len(), 2);

    // One is cancelled: what it holds is free for the other, which comes to its end.
    reading.abort();
    let only_second = || second.progress().execution_limit > all * 9 / 10;
    until("the other may have all", only_second).await;
    assert_eq!(last_status(&session), Status::Cancelled);
    assert_eq!(counting.await.unwrap(), 599_999);
    assert_eq!(last_status(&session), Status::Finished);
    until("nothing is held", || free(&session)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_cancelled_frees_what_it_holds_at_once() {
    let session = session("256m");
    for _ in 0..3 {
        let (query, reading) = started(&session, SORT).await;
        until("it holds much", || query.progress().execution > 30 * MIB).await;
        reading.abort();
        until("all is free", || free(&session)).await;
        assert_eq!(last_status(&session), Status::Cancelled);
        assert_eq!(session.memory().running, []);
    }
}

/// So many operators that keep rows that two such queries do not fit beside each other, and more rows than anybody holds who
/// does not read them.
fn wide() -> String {
    let branch = |number: u32| {
        format!("SELECT id % {number} AS k, count(*) AS n FROM range(1000) GROUP BY id % {number}")
    };
    let branches: Vec<String> = (2..40).map(branch).collect();
    format!(
        "SELECT id, id AS n FROM range(1000000) UNION ALL {}",
        branches.join(" UNION ALL ")
    )
}

/// When the next event comes that is so.
async fn when(events: &mut EventStream, is_so: impl Fn(&EventKind) -> bool) -> u64 {
    loop {
        let Event { time, kind } = events.next().await.unwrap();
        if is_so(&kind) {
            return time;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_waits_for_memory_says_so_and_begins_when_another_is_cancelled() {
    let session = session("128m");
    let mut events = session.events();
    let under_way = session.sql(&wide()).await.unwrap().rows.unwrap();
    let first = under_way.query().unwrap().id();
    when(&mut events, |kind| {
        *kind == EventKind::JobStart { id: first }
    })
    .await;

    let waiting = session.sql(&wide()).await.unwrap().rows.unwrap();
    let id = waiting.query().unwrap().id();
    let since = when(&mut events, |kind| {
        *kind == EventKind::SqlExecutionWaiting { id }
    })
    .await;
    assert!(waiting.query().unwrap().progress().is_waiting);
    let told = session.memory().running;
    assert_eq!(
        told.iter()
            .map(|query| query.progress.is_waiting)
            .collect::<Vec<_>>(),
        [false, true]
    );

    drop(under_way);
    let begun = when(&mut events, |kind| *kind == EventKind::JobStart { id }).await;
    // Nobody waits for longer than 10 s in any case.
    assert!(begun - since < 8_000, "it waited {} ms", begun - since);
    assert!(!waiting.query().unwrap().progress().is_waiting);
    let groups: usize = (2..40).sum();
    assert_eq!(count(waiting).await, 1_000_000 + groups);
}
