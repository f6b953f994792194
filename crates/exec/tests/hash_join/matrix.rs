//! Every join type, in every way a join can run.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::{JoinType, NullEquality};
use datafusion::execution::memory_pool::{GreedyMemoryPool, UnboundedMemoryPool};

use crate::data::{KEYS, Key, Random, Side};
use crate::run::{Case, Outcome, TYPES, assert_same, expected, hybrid, plain};

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

fn case(join: JoinType) -> Case {
    Case {
        join,
        key: Key::Int,
        build: BUILD,
        probe: PROBE,
        equality: NullEquality::NullEqualsNothing,
        null_aware: false,
        filter: false,
        shared: true,
        probes: 3,
        batch: 128,
        partitions: 200,
        seed: 1,
    }
}

/// The variations that every way of running is tried with.
fn variations(mut each: impl FnMut(Case)) {
    for join in TYPES {
        for (shared, probes) in [(true, 1), (true, 3), (false, 2)] {
            for filter in [false, true] {
                for equality in [
                    NullEquality::NullEqualsNothing,
                    NullEquality::NullEqualsNull,
                ] {
                    each(Case {
                        filter,
                        equality,
                        shared,
                        probes,
                        ..case(join)
                    });
                }
            }
        }
    }
}

pub async fn with_limit(case: Case, limit: usize) -> Outcome {
    let outcome = hybrid(case, Arc::new(GreedyMemoryPool::new(limit)), &plain, &plain).await;
    assert_same(case, &outcome.rows, &expected(case).await);
    outcome
}

pub fn all(variations: impl FnOnce(&mut dyn FnMut(Case)), check: impl AsyncFn(Case)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let mut cases = Vec::new();
    variations(&mut |case| cases.push(case));
    for case in cases {
        let watched = end_if_it_hangs(case);
        runtime.block_on(check(case));
        drop(watched);
    }
}

/// Ends the process with the name of the case if what it returns still lives after a minute. A timer of the
/// runtime would not do: a join that spins in every one of its threads leaves none for the timer.
fn end_if_it_hangs(case: Case) -> std::sync::mpsc::Sender<()> {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let limit = Duration::from_secs(60);
        if is_done.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // Past the test runner, which would keep it for a summary that never comes.
            let _ = writeln!(std::io::stderr(), "hangs: {case:?}");
            std::process::exit(101);
        }
    });
    done
}

#[test]
fn what_fits_stays_in_memory() {
    all(
        |each| variations(each),
        async |case| {
            let outcome = hybrid(
                case,
                Arc::new(UnboundedMemoryPool::default()),
                &plain,
                &plain,
            )
            .await;
            assert_same(case, &outcome.rows, &expected(case).await);
            assert_eq!(outcome.metric("spill_count"), 0, "{case:?}");
            assert_eq!(outcome.metric("partitions"), 0, "{case:?}");
        },
    );
}

#[test]
fn what_does_not_fit_goes_to_disk_and_the_rest_stays() {
    all(
        |each| variations(each),
        async |case| {
            let outcome = with_limit(case, 450 << 10).await;
            let (spilled, partitions) = (
                outcome.metric("spilled_partitions"),
                outcome.metric("partitions"),
            );
            assert!(spilled > 0, "{case:?}");
            // Where two joins and two exchanges take from one pool, one may find nothing left in it.
            if case.shared {
                assert!(spilled < partitions, "{spilled} of {partitions}: {case:?}");
                assert_eq!(outcome.metric("passes"), 0, "{case:?}");
            }
            assert!(outcome.metric("spilled_bytes") > 0 && outcome.metric("spilled_rows") > 0);
        },
    );
}

#[test]
fn with_hardly_any_memory_all_goes_to_disk() {
    all(
        |each| variations(each),
        async |case| {
            let outcome = with_limit(case, 40 << 10).await;
            let rows = outcome.metric("build_input_rows");
            let spilled = outcome.metric("spilled_rows");
            assert!(spilled >= rows * 9 / 10, "{spilled} of {rows}: {case:?}");
        },
    );
}

#[test]
fn partitions_that_do_not_fit_are_cut_again() {
    all(
        |each| variations(each),
        async |case| {
            let case = Case {
                partitions: 2,
                ..case
            };
            let outcome = with_limit(case, 60 << 10).await;
            assert!(
                outcome.metric("depth") > 1,
                "depth {}: {case:?}",
                outcome.metric("depth")
            );
        },
    );
}

#[test]
fn the_rows_of_one_hot_key_are_joined_in_passes() {
    all(
        |each| variations(each),
        async |case| {
            let build = Side {
                hot: 9,
                rows: 1000,
                ..BUILD
            };
            let probe = Side {
                rows: 300,
                hot: 1,
                ..PROBE
            };
            let case = Case {
                build,
                probe,
                ..case
            };
            let outcome = with_limit(case, 40 << 10).await;
            assert!(
                outcome.metric("passes") > 1,
                "{} passes: {case:?}",
                outcome.metric("passes")
            );
        },
    );
}

#[test]
fn one_probe_row_that_matches_many_comes_in_batches() {
    all(
        |each| variations(each),
        async |case| {
            let build = Side {
                hot: 10,
                rows: 2000,
                nulls: 0,
                ..BUILD
            };
            let probe = Side {
                rows: 3,
                hot: 10,
                nulls: 0,
                ..PROBE
            };
            let case = Case {
                build,
                probe,
                ..case
            };
            // The size of batches is asserted for every case.
            hybrid(
                case,
                Arc::new(UnboundedMemoryPool::default()),
                &plain,
                &plain,
            )
            .await;
            with_limit(case, 100 << 10).await;
        },
    );
}

#[test]
fn keys_of_any_type_are_joined() {
    let cases = |each: &mut dyn FnMut(Case)| {
        for key in KEYS {
            for join in TYPES {
                for equality in [
                    NullEquality::NullEqualsNothing,
                    NullEquality::NullEqualsNull,
                ] {
                    let filter = join == JoinType::Full;
                    each(Case {
                        key,
                        equality,
                        filter,
                        ..case(join)
                    });
                }
            }
        }
    };
    all(cases, async |case| {
        let outcome = hybrid(
            case,
            Arc::new(UnboundedMemoryPool::default()),
            &plain,
            &plain,
        )
        .await;
        assert_same(case, &outcome.rows, &expected(case).await);
        with_limit(case, 300 << 10).await;
        with_limit(
            Case {
                partitions: 2,
                ..case
            },
            50 << 10,
        )
        .await;
    });
}

#[test]
fn empty_sides_are_joined() {
    let cases = |each: &mut dyn FnMut(Case)| {
        variations(|case| {
            let empty = Side { rows: 0, ..BUILD };
            each(Case {
                build: empty,
                ..case
            });
            each(Case {
                probe: empty,
                ..case
            });
            each(Case {
                build: empty,
                probe: empty,
                ..case
            });
            // No build row can match, or, where null equals null, all match the same.
            let nulls = Side {
                nulls: 1,
                rows: 200,
                ..BUILD
            };
            each(Case {
                build: nulls,
                ..case
            });
        });
    };
    all(cases, async |case| {
        let outcome = hybrid(
            case,
            Arc::new(UnboundedMemoryPool::default()),
            &plain,
            &plain,
        )
        .await;
        assert_same(case, &outcome.rows, &expected(case).await);
        with_limit(case, 100 << 10).await;
    });
}

#[test]
fn not_in_knows_what_null_means() {
    let cases = |each: &mut dyn FnMut(Case)| {
        for probes in [1, 3] {
            for (build_nulls, probe_nulls, rows) in [
                (0, 0, 1500),
                (20, 0, 1500),
                (20, 0, 0),
                (20, 1500, 1500),
                (0, 2, 1500),
            ] {
                let build = Side {
                    nulls: build_nulls,
                    ..BUILD
                };
                let probe = Side {
                    nulls: probe_nulls,
                    rows,
                    ..PROBE
                };
                let case = case(JoinType::LeftAnti);
                each(Case {
                    build,
                    probe,
                    probes,
                    null_aware: true,
                    ..case
                });
            }
        }
    };
    all(cases, async |case| {
        let outcome = hybrid(
            case,
            Arc::new(UnboundedMemoryPool::default()),
            &plain,
            &plain,
        )
        .await;
        assert_same(case, &outcome.rows, &expected(case).await);
        for limit in [300 << 10, 100 << 10, 40 << 10] {
            with_limit(case, limit).await;
        }
    });
}

#[test]
fn not_in_means_the_same_where_its_set_is_built() {
    let cases = |each: &mut dyn FnMut(Case)| {
        for probes in [1, 3] {
            for (set_nulls, set_rows, nulls) in [
                (0, 2000, 0),
                (0, 2000, 15),
                (0, 0, 15),
                (1, 2000, 15),
                (200, 2000, 0),
            ] {
                let build = Side {
                    nulls: set_nulls,
                    rows: set_rows,
                    ..BUILD
                };
                let case = case(JoinType::RightAnti);
                each(Case {
                    build,
                    probe: Side { nulls, ..PROBE },
                    probes,
                    null_aware: true,
                    ..case
                });
            }
        }
    };
    all(cases, async |case| {
        let expected = expected(case).await;
        let has_null = case.build.nulls > 0;
        assert_eq!(expected.is_empty(), has_null, "{case:?}");
        let pool = Arc::new(UnboundedMemoryPool::default());
        let outcome = hybrid(case, pool, &plain, &plain).await;
        assert_same(case, &outcome.rows, &expected);
        for limit in [300 << 10, 100 << 10, 40 << 10] {
            let outcome = with_limit(case, limit).await;
            // A set with a NULL is not read to its end.
            if case.build.rows > 0 && !has_null {
                assert!(outcome.metric("spill_count") > 0, "{case:?}");
            }
        }
    });
}

/// Most partitions get no row, and others hold what a table of none would take.
#[test]
fn an_empty_partition_asks_for_no_memory_in_vain() {
    let cases = |each: &mut dyn FnMut(Case)| {
        variations(|case: Case| {
            let build = Side {
                rows: 20,
                distinct: 1,
                ..case.build
            };
            each(Case {
                build,
                partitions: 16,
                ..case
            });
        });
    };
    all(cases, async |case| {
        with_limit(case, 1).await;
    });
}

/// Whatever a seed makes of it.
#[test]
fn random_joins_are_right() {
    let cases = |each: &mut dyn FnMut(Case)| {
        let mut random = Random::new(20_26);
        for seed in 0..60 {
            let side = |random: &mut Random| Side {
                rows: random.below(1500) as usize,
                distinct: 1 + random.below(3000),
                nulls: random.below(30),
                hot: [0, 0, 3, 9][random.below(4) as usize],
                text: random.below(200) as usize,
            };
            let mut build = side(&mut random);
            let mut probe = side(&mut random);
            if build.hot > 0 && probe.hot > 0 {
                // Hot on both sides is a cross join: keep it small.
                build.rows = build.rows.min(400);
                probe.rows = probe.rows.min(400);
            }
            build.distinct = build.distinct.max(build.rows as u64 / 40 + 1);
            each(Case {
                join: TYPES[random.below(10) as usize],
                key: KEYS[random.below(8) as usize],
                build,
                probe,
                equality: [
                    NullEquality::NullEqualsNothing,
                    NullEquality::NullEqualsNull,
                ][random.below(2) as usize],
                null_aware: false,
                filter: random.one_in(2),
                shared: random.one_in(2),
                probes: 1 + random.below(4) as usize,
                batch: 8 + random.below(400) as usize,
                partitions: 2 + random.below(100) as usize,
                seed,
            });
        }
    };
    all(cases, async |case| {
        let limit = 20_000 << (case.seed % 6);
        with_limit(case, limit).await;
    });
}
