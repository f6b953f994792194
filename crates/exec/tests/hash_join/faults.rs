//! A disk that is full, files that are gone or cut short, queries that are given up.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::{JoinType, NullEquality};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use plimsoll_exec::HybridHashJoinExec;

use crate::data::{Key, Side};
use crate::run::{
    Case, Scan, assert_nothing_left, assert_same, context, expected, outcome, plain, stock, watched,
};

const CASE: Case = Case {
    join: JoinType::Full,
    key: Key::Int,
    build: Side {
        rows: 2000,
        distinct: 1300,
        nulls: 20,
        hot: 0,
        text: 160,
    },
    probe: Side {
        rows: 1500,
        distinct: 1700,
        nulls: 15,
        hot: 0,
        text: 20,
    },
    equality: NullEquality::NullEqualsNothing,
    null_aware: false,
    filter: false,
    shared: true,
    probes: 2,
    batch: 128,
    partitions: 200,
    seed: 4,
};

fn spilling_runtime(directory: PathBuf, disk: u64) -> Arc<RuntimeEnv> {
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![directory]))
        .with_max_temp_directory_size(disk);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(200 << 10)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .unwrap()
}

fn join(build: Scan, probe: Scan) -> Arc<HybridHashJoinExec> {
    Arc::new(HybridHashJoinExec::new(&stock(CASE, build, probe), CASE.partitions).unwrap())
}

/// All files below a directory.
fn files(directory: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Runs the join, doing `harm` to its files when the first probe rows are asked for, and returns the error.
async fn error_after(harm: impl Fn(&std::path::Path) + Send + Sync + 'static) -> String {
    let directory = tempfile::tempdir().unwrap();
    let runtime = spilling_runtime(directory.path().to_owned(), u64::MAX);
    let path = directory.path().to_owned();
    let each: Arc<dyn Fn(usize, usize) + Send + Sync> = Arc::new(move |_, number| {
        if number == 0 {
            files(&path).iter().for_each(|file| harm(file));
        }
    });
    let probe: Scan = &|batches, schema| watched(batches, schema, Arc::clone(&each));
    let failed = outcome(join(&plain, probe), context(CASE, Arc::clone(&runtime))).await;
    let error = failed.err().expect("the join met the harm").to_string();
    assert_nothing_left(CASE, &runtime).await;

    // The next query on the same memory and disk is fine.
    let next = outcome(join(&plain, &plain), context(CASE, Arc::clone(&runtime)))
        .await
        .unwrap();
    assert_same(CASE, &next.rows, &expected(CASE).await);
    assert_nothing_left(CASE, &runtime).await;
    error
}

#[tokio::test]
async fn a_file_that_is_gone_is_named() {
    let error = error_after(|file| std::fs::remove_file(file).unwrap()).await;
    assert!(
        error.contains("spill file") && error.contains("cannot be read"),
        "{error}"
    );
    assert!(error.contains("spark.local.dir"), "{error}");
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_named() {
    let error = error_after(|file| {
        let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
        file.set_len(100).unwrap();
    })
    .await;
    assert!(error.contains("truncated"), "{error}");
}

#[tokio::test]
async fn a_file_with_other_bytes_is_named() {
    let error = error_after(|file| {
        let length = std::fs::metadata(file).unwrap().len() as usize;
        std::fs::write(file, vec![0xa5; length]).unwrap();
    })
    .await;
    assert!(
        error.contains("spill file") && error.contains("cannot be read"),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_disk_ends_the_join_wherever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut met = 0;
    for disk in [1 << 10, 100 << 10, 200 << 10, 300 << 10, 400 << 10] {
        let runtime = spilling_runtime(directory.path().to_owned(), disk);
        let result = outcome(join(&plain, &plain), context(CASE, Arc::clone(&runtime))).await;
        if let Err(error) = result {
            let error = error.to_string();
            assert!(error.contains("cannot be written"), "{error}");
            assert!(error.contains("exceeded the allowable limit"), "{error}");
            met += 1;
        }
        assert_nothing_left(CASE, &runtime).await;
    }
    assert!(met >= 3, "the disk was full {met} times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_is_given_up_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = spilling_runtime(directory.path().to_owned(), u64::MAX);
    let mut seen_batches = 0;
    for after in 0..40 {
        let plan = join(&plain, &plain);
        let mut rows = execute_stream(plan, context(CASE, Arc::clone(&runtime))).unwrap();
        for _ in 0..after {
            match rows.next().await {
                Some(batch) => seen_batches += usize::from(batch.unwrap().num_rows() > 0),
                None => break,
            }
        }
        drop(rows);
        assert_nothing_left(CASE, &runtime).await;
    }
    assert!(seen_batches > 100);
    // And in the middle of anything, wherever that is.
    for micros in (0..60_000).step_by(1500) {
        let plan = join(&plain, &plain);
        let running = outcome(plan, context(CASE, Arc::clone(&runtime)));
        let _ = tokio::time::timeout(std::time::Duration::from_micros(micros), running).await;
        assert_nothing_left(CASE, &runtime).await;
    }
    assert!(files(directory.path()).is_empty());
}

#[tokio::test]
async fn a_plan_can_run_again_and_stops_at_its_limit() {
    use datafusion::physical_plan::ExecutionPlan;
    let directory = tempfile::tempdir().unwrap();
    let runtime = spilling_runtime(directory.path().to_owned(), u64::MAX);
    let plan = join(&plain, &plain);
    for _ in 0..2 {
        let again = outcome(plan.clone(), context(CASE, Arc::clone(&runtime)))
            .await
            .unwrap();
        assert_same(CASE, &again.rows, &expected(CASE).await);
    }
    for limit in [0, 1, 500, 1000] {
        let limited = plan.with_fetch(Some(limit)).unwrap();
        let one = limited
            .execute(0, context(CASE, Arc::clone(&runtime)))
            .unwrap();
        let batches: Vec<_> = one.collect().await;
        let rows: usize = batches
            .into_iter()
            .map(|batch| batch.unwrap().num_rows())
            .sum();
        assert_eq!(rows, limit);
    }
    drop(plan);
    assert_nothing_left(CASE, &runtime).await;
}
