//! How much room cached plans take, and who gives it back.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_come_to_stay_has_the_size_that_it_would_have() {
    let query = "SELECT id, md5('' || id) AS s FROM range(200000)";
    let mut sizes = Vec::new();
    for memory in [60, 4] {
        let session = small(memory);
        run(
            &session,
            &format!("CACHE TABLE t OPTIONS ('storageLevel' 'MEMORY_ONLY') AS {query}"),
        )
        .await;
        let usage = only(&session).usage;
        assert_eq!(usage.memory > 0, memory == 60, "{usage:?}");
        sizes.push(usage.in_full);
    }
    assert!(sizes[0] > 8 << 20, "{sizes:?}");
    assert!(sizes[0].abs_diff(sizes[1]) < sizes[0] / 5, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smaller_storage_fraction_evicts_what_has_no_right_to_stay() {
    let session = small(16);
    run(&session, "SET spark.memory.storageFraction=0.9").await;
    run(
        &session,
        "CACHE TABLE t AS SELECT id, repeat('x', 80) || id AS s FROM range(100000)",
    )
    .await;
    let before = only(&session).usage;
    assert!(
        before.memory > 8 << 20 && before.evictions == 0,
        "{before:?}"
    );
    let answer = session
        .sql("SET spark.memory.storageFraction=0.2")
        .await
        .unwrap();
    assert!(
        answer.notices[0].contains("storage region: 14.4 MiB -> 3.2 MiB"),
        "{:?}",
        answer.notices
    );
    let after = only(&session).usage;
    assert!(
        after.memory <= 16 * (1 << 20) / 5 && after.evictions > 0 && after.disk > 0,
        "{after:?}"
    );
    assert_eq!(storage_used(&session), after.memory);
    let count = text(&session, "SELECT count(s) AS n FROM t").await;
    assert!(count.contains("100000"), "{count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_borrows_what_execution_leaves_free_and_gives_it_back_at_once() {
    let session = small(16);
    run(&session, "SET spark.memory.storageFraction=0.25").await;
    let rows = "SELECT id, md5('' || id) || md5('a' || id) AS s FROM range(90000)";
    run(&session, &format!("CACHE TABLE t AS {rows}")).await;
    let before = only(&session).usage;
    let region = 16 * (1 << 20) / 4;
    assert!(
        2 * before.memory > 3 * region && before.evictions == 0,
        "{before:?}"
    );
    // A sort that needs most of unified memory gets it while it runs, and the rows stay right.
    let sort = "SELECT id, s FROM t ORDER BY s DESC, id OFFSET 10";
    let sorted: usize = batches(&session, sort)
        .await
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(sorted, 89_990);
    let after = only(&session).usage;
    assert!(
        after.evictions > 0 && after.memory < before.memory,
        "{after:?}"
    );
    let peak = session.history().peak_execution();
    assert!(peak > 16 * (1 << 20) / 2, "{peak}");
}
