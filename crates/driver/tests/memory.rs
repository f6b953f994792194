//! Queries inside their memory: what spills, what a session's memory looks like before and after.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::{Error, Session, Status};
use plimsoll_memory::{MemoryMode, Region, TaskMemory, UnifiedMemory};

const MIB: usize = 1 << 20;

fn session(memory: &str) -> Session {
    session_with(memory, 2)
}

fn session_with(memory: &str, threads: usize) -> Session {
    let master = format!("local[{threads}]");
    let mut conf = Conf::default();
    conf.set("spark.plimsoll.memory", memory, Origin::Code)
        .unwrap();
    conf.set("spark.master", &master, Origin::Code).unwrap();
    Session::new(conf, Machine::with_memory(64 << 30), Vec::new()).unwrap()
}

async fn rows(session: &Session, sql: &str) -> Result<usize, Error> {
    let mut rows = session.sql(sql).await?.rows.unwrap();
    let mut count = 0;
    while let Some(batch) = rows.try_next().await? {
        count += batch.num_rows();
    }
    Ok(count)
}

/// A large sort and aggregate beside many operators that hold next to nothing.
const LOPSIDED: &str = "
    SELECT k, count(*) AS n, max(s) AS s FROM (
        SELECT id % 150000 AS k, repeat('x', 40) || id AS s FROM range(600000) AS t(id)
        UNION ALL SELECT id, 'a' FROM range(10) AS t(id) UNION ALL SELECT id, 'b' FROM range(10) AS t(id)
    ) GROUP BY k ORDER BY s";

/// Bytes that the query spills with this pool.
async fn spilled_with(pool: Arc<dyn MemoryPool>) -> usize {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .build_arc()
        .unwrap();
    let mut config = SessionConfig::new().with_target_partitions(4);
    config.options_mut().execution.sort_spill_reservation_bytes = MIB;
    let context = SessionContext::new_with_config_rt(config, runtime);
    let plan = context
        .sql(LOPSIDED)
        .await
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    let batches = collect(Arc::clone(&plan), context.task_ctx())
        .await
        .unwrap();
    assert_eq!(
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        150_000
    );
    spilled(&plan)
}

fn spilled(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let here = plan
        .metrics()
        .and_then(|metrics| metrics.spilled_bytes())
        .unwrap_or(0);
    here + plan.children().into_iter().map(spilled).sum::<usize>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_spills_less_than_with_datafusions_fair_pool() {
    const MEMORY: usize = 60 * MIB;
    let fair = spilled_with(Arc::new(FairSpillPool::new(MEMORY))).await;
    let manager = UnifiedMemory::new(Region::new(MEMORY as u64, 0), Region::EMPTY);
    let ours = spilled_with(TaskMemory::new(manager)).await;
    println!("{ours} bytes spilled with TaskMemory, {fair} with FairSpillPool");
    assert!(fair > 0, "the query is large enough");
    assert!(
        ours < fair / 2,
        "{ours} bytes spilled, and {fair} with the fair pool"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_spill_files_are_back_after_the_last_row_and_after_a_cancel() {
    let session = session("64m");
    let sort = "SELECT id, repeat('x', 100) AS s FROM range(1000000) ORDER BY id % 1000, s";
    let counted = format!("SELECT count(*) FROM ({sort} LIMIT 999999)");
    assert_eq!(rows(&session, &counted).await.unwrap(), 1);
    let finished = session.history().records().next_back().unwrap();
    assert_eq!(finished.status, Status::Finished);
    assert!(finished.spilled_bytes > 5 << 20, "{finished:?}");
    assert!(!finished.refusals.is_empty() && !finished.holders_at_peak.is_empty());
    wait_until_free(&session).await;

    let mut running = session.sql(sort).await.unwrap().rows.unwrap();
    running.next().await.unwrap().unwrap();
    drop(running);
    assert_eq!(
        session.history().records().next_back().unwrap().status,
        Status::Cancelled
    );
    wait_until_free(&session).await;
}

/// Tasks of a query that was dropped let go as soon as they come to it, not at once.
async fn wait_until_free(session: &Session) {
    for _ in 0..500 {
        let pools = session.unified_memory().pools(MemoryMode::OnHeap);
        if pools.execution_used == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?}", session.unified_memory());
}

/// Wide rows, several threads, little memory: the merges of the sorts need theirs while the sorts of
/// other threads are full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sorts_on_several_threads_leave_each_others_merges_enough() {
    for (memory, threads) in [("64m", 2), ("96m", 2), ("128m", 2), ("64m", 8)] {
        let session = session_with(memory, threads);
        let sort = "SELECT repeat(CAST(id * 7919 % 999983 AS STRING), 25) AS s, id FROM range(500000) ORDER BY s, id";
        let mut sorted = session.sql(sort).await.unwrap().rows.unwrap();
        let (mut count, mut last) = (0, String::new());
        while let Some(batch) = sorted
            .try_next()
            .await
            .unwrap_or_else(|error| panic!("{memory}, {threads}: {error}"))
        {
            let strings = cast(batch.column(0), &DataType::Utf8).unwrap();
            for text in strings.as_string::<i32>().iter().flatten() {
                assert!(last.as_str() <= text);
                last.clear();
                last.push_str(text);
            }
            count += batch.num_rows();
        }
        assert_eq!(count, 500_000);
        let history = session.history();
        let record = history.records().next_back().unwrap();
        assert!(record.spilled_bytes > 1 << 20, "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_join_whose_build_side_does_not_fit_spills() {
    let session = session("64m");
    let wide = "SELECT id AS k, repeat(CAST(id AS STRING), 30) AS s FROM range(400000)";
    let join =
        format!("SELECT a.k, length(a.s || b.s) FROM ({wide}) a JOIN ({wide}) b ON a.k = b.k");
    assert_eq!(rows(&session, &join).await.unwrap(), 400_000);
    let history = session.history();
    let record = history.records().next_back().unwrap();
    assert_eq!(record.plan_given_up, None);
    assert!(record.spilled_bytes > 0, "{record:?}");
    wait_until_free(&session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_over_more_than_memory_and_a_join_without_keys_go_to_disk() {
    let session = session("64m");
    let window = "SELECT max(n), max(length(s)) FROM
        (SELECT count(*) OVER () AS n, s FROM (SELECT repeat('x', 200) || id AS s FROM range(400000)))";
    let join = "SELECT count(*), max(length(s)), max(length(t)) FROM
        (SELECT id AS a, repeat('x', 30000) AS s FROM range(2000))
        CROSS JOIN (SELECT id AS b, repeat('y', 30000) AS t FROM range(2000)) WHERE a + b < 5";
    // All rows are peers, so that none has its sum before the last has come.
    let running = "SELECT max(n), max(length(s)) FROM
        (SELECT sum(id) OVER (ORDER BY id * 0) AS n, s FROM (SELECT id, repeat('x', 200) || id AS s FROM range(400000)))";
    for query in [window, join, running] {
        assert_eq!(rows(&session, query).await.unwrap(), 1);
        let history = session.history();
        let record = history.records().next_back().unwrap();
        assert_eq!(record.plan_given_up, None, "{query}");
        wait_until_free(&session).await;
    }
    let history = session.history();
    for (record, operator) in history.records().zip([
        "ExternalWindowExec",
        "BlockNestedLoopJoinExec",
        "RunningWindowExec",
    ]) {
        let mut spills = record.spills.iter();
        assert!(spills.any(|spill| spill.operator == operator), "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distinct_values_that_do_not_fit_are_counted_on_disk() {
    let session = session("64m");
    let query = "SELECT count(DISTINCT s), count(DISTINCT t), count(*), sum(id) FROM
        (SELECT id, repeat('x', 80) || id AS s, repeat('y', 80) || (id % 100) AS t FROM range(400000))";
    let mut rows = session.sql(query).await.unwrap().rows.unwrap();
    let batch = rows.try_next().await.unwrap().unwrap();
    let number = |at: usize| batch.column(at).as_primitive::<Int64Type>().value(0);
    let numbers: Vec<i64> = (0..4).map(number).collect();
    assert_eq!(numbers, [400_000, 100, 400_000, 400_000 * 399_999 / 2]);
    drop(rows);
    let history = session.history();
    let record = history.records().next_back().unwrap();
    assert!(
        record.plan_given_up.is_some() && record.spilled_bytes > 0,
        "{record:?}"
    );
    wait_until_free(&session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_spill_at_all_ends_in_an_error_that_names_it_and_the_session_goes_on() {
    let session = session("64m");
    let one_value = "SELECT cardinality(array_agg(s)) FROM (SELECT repeat('x', 200) || id AS s FROM range(1000000))";
    let error = rows(&session, one_value).await.unwrap_err();
    assert!(matches!(error, Error::OutOfExecutionMemory(_)), "{error}");
    let told = error.to_string();
    for words in ["AggregateStream", "cannot spill", "--memory"] {
        assert!(told.contains(words), "{words} is not in {told}");
    }
    assert_eq!(
        session.history().records().next_back().unwrap().status,
        Status::Failed
    );
    assert_eq!(rows(&session, "SELECT 1").await.unwrap(), 1);
    wait_until_free(&session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_changes_the_pools_of_the_running_session() {
    let session = session("1g");
    let before = session.unified_memory().pools(MemoryMode::OnHeap);
    let answer = session
        .sql("SET spark.memory.storageFraction = 0.2")
        .await
        .unwrap();
    assert!(
        answer.notices[0].starts_with("storage region: "),
        "{:?}",
        answer.notices
    );
    let after = session.unified_memory().pools(MemoryMode::OnHeap);
    assert_eq!(
        after.storage + after.execution,
        before.storage + before.execution
    );
    assert_eq!(
        after.storage,
        session.layout().executor.storage_region.bytes
    );
    session.sql("SET spark.plimsoll.memory = 2g").await.unwrap();
    let larger = session.unified_memory().pools(MemoryMode::OnHeap);
    assert_eq!(
        larger.storage + larger.execution,
        session.layout().executor.unified.bytes
    );
    assert!(larger.execution > after.execution);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shuffle_partitions_size_a_join_that_spills() {
    let session = session("64m");
    let wide = "SELECT id AS k, repeat(CAST(id AS STRING), 30) AS s FROM range(400000)";
    let join = format!(
        "EXPLAIN ANALYZE SELECT a.k, length(a.s || b.s) FROM ({wide}) a JOIN ({wide}) b ON a.k = b.k"
    );
    // On each of two threads.
    for (partitions, told) in [(7, " partitions=14,"), (3, " partitions=6,")] {
        let set = format!("SET spark.sql.shuffle.partitions = {partitions}");
        session.sql(&set).await.unwrap();
        let mut rows = session.sql(&join).await.unwrap().rows.unwrap();
        let mut text = String::new();
        while let Some(batch) = rows.try_next().await.unwrap() {
            for column in batch.columns() {
                let cells = cast(column, &DataType::Utf8).unwrap();
                text.extend(cells.as_string::<i32>().iter().flatten());
            }
        }
        assert!(text.contains("HybridHashJoinExec"), "{text}");
        assert!(text.contains(told), "{text}");
    }
}
