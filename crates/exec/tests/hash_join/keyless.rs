//! Joins in which every row meets every row.

use std::sync::Arc;

use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{JoinType, NullEquality};
use datafusion::execution::memory_pool::{GreedyMemoryPool, UnboundedMemoryPool};
use datafusion::physical_plan::joins::CrossJoinExec;
use datafusion::physical_plan::{ExecutionPlan, collect};
use plimsoll_exec::BlockNestedLoopJoinExec;

use crate::data::{Key, Random, Side, batches};
use crate::matrix::{all, with_limit};
use crate::run::{Case, TYPES, assert_same, context, expected, hybrid, plain, runtime};

const MANY: Side = Side {
    rows: 230,
    distinct: 100,
    nulls: 0,
    hot: 0,
    text: 160,
};
const FEW: Side = Side {
    rows: 130,
    text: 20,
    ..MANY
};

fn case(join: JoinType) -> Case {
    Case {
        join,
        key: Key::None,
        build: MANY,
        probe: FEW,
        equality: NullEquality::NullEqualsNothing,
        null_aware: false,
        filter: false,
        shared: true,
        probes: 2,
        batch: 32,
        partitions: 200,
        seed: 5,
    }
}

/// Either side larger, batches larger than both sides and smaller than either.
fn variations(each: &mut dyn FnMut(Case)) {
    for join in TYPES {
        for filter in [false, true] {
            for (probes, batch) in [(1, 32), (3, 10), (2, 1024)] {
                for (build, probe) in [(MANY, FEW), (FEW, MANY)] {
                    each(Case {
                        build,
                        probe,
                        filter,
                        probes,
                        batch,
                        ..case(join)
                    });
                }
            }
        }
    }
}

#[test]
fn what_fits_stays_in_memory() {
    all(variations, async |case| {
        let outcome = hybrid(
            case,
            Arc::new(UnboundedMemoryPool::default()),
            &plain,
            &plain,
        )
        .await;
        assert_same(case, &outcome.rows, &expected(case).await);
        assert_eq!(outcome.metric("spill_count"), 0, "{case:?}");
    });
}

#[test]
fn what_does_not_fit_is_joined_in_passes() {
    let of_a_large_build_side = |each: &mut dyn FnMut(Case)| {
        variations(&mut |case| {
            if case.build.text == MANY.text {
                each(Case {
                    batch: case.batch.min(32),
                    ..case
                });
            }
        });
    };
    all(of_a_large_build_side, async |case| {
        let outcome = with_limit(case, 12 << 10).await;
        let (spilled, passes) = (outcome.metric("spilled_rows"), outcome.metric("passes"));
        assert!(spilled >= case.build.rows, "{spilled} rows: {case:?}");
        assert!(passes > case.probes, "{passes} passes: {case:?}");
        with_limit(case, 1).await;
    });
}

#[test]
fn empty_sides_are_joined() {
    let cases = |each: &mut dyn FnMut(Case)| {
        for join in TYPES {
            for (build, probe) in [(0, 130), (230, 0), (0, 0), (1, 1)] {
                each(Case {
                    build: Side {
                        rows: build,
                        ..MANY
                    },
                    probe: Side { rows: probe, ..FEW },
                    filter: probe == 1,
                    ..case(join)
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
        with_limit(case, 1).await;
    });
}

/// `SELECT count(*) FROM a, b` reads no column of either side.
#[test]
fn sides_without_columns_have_rows() {
    let of_side = |side: Side, columns: Vec<usize>| -> Arc<dyn ExecutionPlan> {
        let (schema, batches) = batches(side, Key::Int, 32, &mut Random::new(6));
        MemorySourceConfig::try_new_exec(&[batches], schema, Some(columns)).unwrap()
    };
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for limit in [usize::MAX, 1] {
        for (left, right) in [(vec![], vec![]), (vec![2], vec![]), (vec![], vec![2])] {
            let columns = left.len() + right.len();
            let (left, right) = (of_side(MANY, left), of_side(FEW, right));
            let cross: Arc<dyn ExecutionPlan> = Arc::new(CrossJoinExec::new(left, right));
            let plan = Arc::new(BlockNestedLoopJoinExec::of(&cross).unwrap());
            let runtime = runtime(Arc::new(GreedyMemoryPool::new(limit)));
            let context = context(case(JoinType::Inner), runtime);
            let batches = tokio.block_on(collect(plan, context)).unwrap();
            let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
            assert_eq!(rows, MANY.rows * FEW.rows);
            assert!(batches.iter().all(|batch| batch.num_columns() == columns));
        }
    }
}
