//! Memory taken back from a join that is not the one asking for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::NullEquality;
use datafusion::execution::memory_pool::MemoryPool;
use plimsoll_memory::{Region, TaskMemory, UnifiedMemory};

use crate::data::{Key, Side};
use crate::run::{Case, TYPES, assert_same, expected, hybrid, plain, watched};

const BUILD: Side = Side {
    rows: 2000,
    distinct: 1300,
    nulls: 20,
    hot: 0,
    text: 160,
};
const PROBE: Side = Side {
    rows: 1500,
    distinct: 1700,
    nulls: 15,
    hot: 0,
    text: 20,
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for join in TYPES {
        for (shared, probes) in [(true, 1), (true, 3), (false, 2)] {
            for filter in [false, true] {
                cases.push(Case {
                    join,
                    key: Key::Int,
                    build: BUILD,
                    probe: PROBE,
                    equality: NullEquality::NullEqualsNothing,
                    null_aware: false,
                    filter,
                    shared,
                    probes,
                    batch: 128,
                    partitions: 16,
                    seed: 3,
                });
            }
        }
    }
    cases.extend(keyless());
    cases
}

/// Joins without keys, of fewer rows: they come to all pairs.
fn keyless() -> Vec<Case> {
    let mut cases = Vec::new();
    for join in TYPES {
        for filter in [false, true] {
            cases.push(Case {
                join,
                key: Key::None,
                build: Side { rows: 250, ..BUILD },
                probe: Side { rows: 160, ..PROBE },
                equality: NullEquality::NullEqualsNothing,
                null_aware: false,
                filter,
                shared: true,
                // A second thread would be in the midst of its pairs, and hold the build side.
                probes: 1,
                batch: 16,
                partitions: 16,
                seed: 3,
            });
        }
    }
    cases
}

fn task() -> Arc<TaskMemory> {
    TaskMemory::new(UnifiedMemory::new(Region::new(1 << 30, 0), Region::EMPTY))
}

/// Runs each case, taking `bytes` back before batch number `at` of the probe side, or of the build side.
fn take_back(bytes: u64, at: usize, from_probe_side: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for case in cases() {
        let task = task();
        let freed = Arc::new(AtomicUsize::new(0));
        let each: Arc<dyn Fn(usize, usize) + Send + Sync> = {
            let (task, freed) = (Arc::clone(&task), Arc::clone(&freed));
            Arc::new(move |_, number| {
                if number == at {
                    freed.fetch_add(task.reclaim(bytes) as usize, Ordering::Relaxed);
                }
            })
        };
        let watched: crate::run::Scan =
            &|batches, schema| watched(batches, schema, Arc::clone(&each));
        let (build, probe): (crate::run::Scan, crate::run::Scan) = match from_probe_side {
            true => (&plain, watched),
            false => (watched, &plain),
        };
        let pool: Arc<dyn MemoryPool> = Arc::clone(&task) as _;
        let rows = runtime.block_on(async {
            let outcome = hybrid(case, pool, build, probe).await;
            // Where exchanges run ahead, the sides are read before a join has begun.
            if case.shared {
                assert!(
                    freed.load(Ordering::Relaxed) > 0,
                    "nothing was freed: {case:?}"
                );
                assert!(outcome.metric("reclaimed") > 0, "{case:?}");
                assert!(outcome.metric("spilled_bytes") > 0, "{case:?}");
            }
            assert_same(case, &outcome.rows, &expected(case).await);
            outcome.rows
        });
        drop(rows);
    }
}

#[test]
fn a_build_side_that_waits_for_its_first_probe_row_goes_to_disk() {
    take_back(u64::MAX, 0, true);
}

#[test]
fn a_build_side_that_was_probed_already_goes_to_disk_with_what_it_knows() {
    take_back(u64::MAX, 2, true);
}

#[test]
fn a_build_side_that_is_being_read_goes_to_disk_in_part() {
    take_back(64 << 10, 9, false);
}

#[test]
fn as_much_as_was_asked_for_goes_to_disk_and_no_more() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let case = cases()[0];
    let task = task();
    let each: Arc<dyn Fn(usize, usize) + Send + Sync> = {
        let task = Arc::clone(&task);
        Arc::new(move |_, number| {
            // First some of what is being read, which cuts it into partitions.
            if number == 9 {
                let had = task.reclaimable();
                let freed = task.reclaim(1);
                assert!(freed > 0 && freed < had / 4, "{freed} of {had}");
            }
        })
    };
    let probe_each: Arc<dyn Fn(usize, usize) + Send + Sync> = {
        let task = Arc::clone(&task);
        Arc::new(move |_, number| {
            // Then one partition of what is built.
            if number == 1 {
                let had = task.reclaimable();
                let freed = task.reclaim(1);
                assert!(freed > 0 && freed < had / 2, "{freed} of {had}");
            }
        })
    };
    runtime.block_on(async {
        let pool: Arc<dyn MemoryPool> = Arc::clone(&task) as _;
        let case = Case {
            build: Side {
                rows: 6000,
                ..BUILD
            },
            ..case
        };
        let build: crate::run::Scan =
            &|batches, schema| watched(batches, schema, Arc::clone(&each));
        let probe: crate::run::Scan =
            &|batches, schema| watched(batches, schema, Arc::clone(&probe_each));
        let outcome = hybrid(case, pool, build, probe).await;
        assert_same(case, &outcome.rows, &expected(case).await);
        let (spilled, all) = (
            outcome.metric("spilled_partitions"),
            outcome.metric("partitions"),
        );
        assert!(spilled >= 2 && spilled < all, "{spilled} of {all}");
    });
}
