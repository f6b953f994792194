use std::time::Duration;

use futures::StreamExt;
use plimsoll_conf::Machine;
use plimsoll_driver::{EventKind, EventStream, Session, Status};
use tokio::time::timeout;

use crate::process::{MIB, in_cage, until};
use crate::sorts::Sort;

const LINE: u64 = 128 * MIB;

/// Together they have several times the line.
const SORT: Sort = Sort {
    rows: 250_000,
    width: 400,
};

/// So many operators that keep rows that there is no room for them beside another query's.
fn wide() -> String {
    let branch = |number: u32| {
        format!("SELECT id % {number} AS k, count(*) AS n FROM range(1000) GROUP BY id % {number}")
    };
    let branches: Vec<String> = (2..100).map(branch).collect();
    branches.join(" UNION ALL ")
}

/// Waits for an event that is this one; it has to come before long.
async fn told(events: &mut EventStream, kind: EventKind) {
    let is_told = async { while events.next().await.unwrap().kind != kind {} };
    let in_time = timeout(Duration::from_secs(60), is_told).await;
    assert!(in_time.is_ok(), "not in a minute: {kind:?}");
}

#[test]
fn one_waits_one_is_cancelled_and_the_others_come_to_their_end_within_the_line() {
    let test =
        "several::one_waits_one_is_cancelled_and_the_others_come_to_their_end_within_the_line";
    in_cage(test, LINE, async || {
        let session = Session::builder()
            .machine(Machine::with_memory(64 << 30))
            .master("local[2]")
            .memory("128m")
            .build()
            .unwrap();
        let mut events = session.events();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(session.sibling().await.unwrap());
        }
        let mut sorts = Vec::new();
        for client in &clients {
            sorts.push(SORT.start(client).await);
        }
        let queries: Vec<_> = sorts.iter().map(|rows| rows.query().unwrap()).collect();
        for query in &queries {
            told(&mut events, EventKind::JobStart { id: query.id() }).await;
        }

        // One more does not fit beside them, and says that it waits.
        let waiting = session.sql(&wide()).await.unwrap().rows.unwrap();
        let last = waiting.query().unwrap();
        let id = last.id();
        told(&mut events, EventKind::SqlExecutionWaiting { id }).await;
        let figures = session.memory().running;
        assert_eq!(figures.len(), 4);
        // After 10 s it waits no longer, and this may be so slow a machine.
        assert!(figures[3].progress.is_waiting || !last.progress().is_waiting);

        // The others spill meanwhile. Of one that is cancelled all is free at once.
        until("all three have spilled", || {
            queries.iter().all(|query| query.progress().spilled > 0)
        })
        .await;
        let cancelled = &queries[0];
        until("the first holds memory", || {
            cancelled.progress().execution > MIB
        })
        .await;
        drop(sorts.remove(0));
        until("what it held is free", || {
            cancelled.progress().execution == 0
        })
        .await;
        let record = session.history().records().next_back().unwrap();
        assert_eq!(
            (record.id, record.status),
            (cancelled.id(), Status::Cancelled)
        );

        // The others go on, and the one that waited begins and ends as well.
        let figures = session.memory().running;
        let running: Vec<u64> = figures.iter().map(|query| query.progress.id).collect();
        assert_eq!(running, [queries[1].id(), queries[2].id(), id]);
        let [second, third] = <[_; 2]>::try_from(sorts).ok().unwrap();
        let count = async {
            let batches = waiting.map(|batch| batch.unwrap().num_rows());
            batches.fold(0, async |sum, rows| sum + rows).await
        };
        let (_, _, groups) = tokio::join!(SORT.read(second), SORT.read(third), count);
        assert_eq!(groups, (2..100).sum::<usize>());
        let until_free = || session.memory().on_heap.execution_used == 0;
        until("nothing is held", until_free).await;
    });
}
