//! Several queries in one memory: each has its share, one that waits says so, and one that is cancelled makes room for others.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use plimsoll_conf::{Machine, Surroundings};
use plimsoll_driver::{EventKind, EventStream, Query, Rows, Session, Status};
use tokio::time::timeout;

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

/// A query, and its rows, which hold it up as long as nobody reads them.
async fn started(session: &Session, sql: &str) -> (Arc<Query>, Rows) {
    let rows = session.sql(sql).await.unwrap().rows.unwrap();
    (rows.query().unwrap(), rows)
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
    let (first, unread) = started(&session, SORT).await;
    until("the first holds much", || {
        first.progress().execution > 8 * MIB
    })
    .await;
    assert!(first.progress().execution_limit > all * 9 / 10);
    let (second, rows) = started(&session, SORT).await;
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
    drop(unread);
    let only_second = || second.progress().execution_limit > all * 9 / 10;
    until("the other may have all", only_second).await;
    assert_eq!(last_status(&session), Status::Cancelled);
    assert_eq!(count(rows).await, 599_999);
    assert_eq!(last_status(&session), Status::Finished);
    until("nothing is held", || free(&session)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_cancelled_frees_what_it_holds_at_once() {
    let session = session("256m");
    for _ in 0..3 {
        let (query, unread) = started(&session, SORT).await;
        until("it holds much", || query.progress().execution > 30 * MIB).await;
        drop(unread);
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

/// Waits for an event that is this one; it has to come before long.
async fn told(events: &mut EventStream, kind: EventKind) {
    let is_told = async { while events.next().await.unwrap().kind != kind {} };
    let in_time = timeout(Duration::from_secs(60), is_told).await;
    assert!(in_time.is_ok(), "not in a minute: {kind:?}");
}

/// Whether a query could begin now that needs as much as there is, and so begins beside no other.
fn is_empty(session: &Session) -> bool {
    let place = session.unified_memory().admit(u64::MAX, || {});
    place.now_or_never().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_waits_for_memory_says_so_and_begins_when_another_is_cancelled() {
    let session = session("128m");
    let mut events = session.events();
    let under_way = session.sql(&wide()).await.unwrap().rows.unwrap();
    let id = under_way.query().unwrap().id();
    told(&mut events, EventKind::JobStart { id }).await;

    let waiting = session.sql(&wide()).await.unwrap().rows.unwrap();
    let id = waiting.query().unwrap().id();
    told(&mut events, EventKind::SqlExecutionWaiting { id }).await;
    assert!(waiting.query().unwrap().progress().is_waiting);
    let running = session.memory().running;
    let is_waiting: Vec<bool> = running
        .iter()
        .map(|query| query.progress.is_waiting)
        .collect();
    assert_eq!(is_waiting, [false, true]);

    drop(under_way);
    told(&mut events, EventKind::JobStart { id }).await;
    assert!(!waiting.query().unwrap().progress().is_waiting);
    let groups: usize = (2..40).sum();
    assert_eq!(count(waiting).await, 1_000_000 + groups);
}

/// Nobody waits for longer than 10 s, so that a query begins after that whether there is a place for it or not. That the
/// place of one that is cancelled is free is seen here by one that does not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_place_of_a_query_that_is_cancelled_is_free_for_another() {
    let session = session("128m");
    let mut events = session.events();
    assert!(is_empty(&session));
    let under_way = session.sql(&wide()).await.unwrap().rows.unwrap();
    let id = under_way.query().unwrap().id();
    told(&mut events, EventKind::JobStart { id }).await;
    assert!(!is_empty(&session));
    drop(under_way);
    until("its place is free", || is_empty(&session)).await;
}
