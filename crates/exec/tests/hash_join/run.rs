//! Runs one join both ways.

use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::common::{JoinSide, JoinType, NullEquality, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, Partitioning, ReplaceChildrenOptions, collect,
};
use datafusion::prelude::SessionConfig;
use plimsoll_exec::{BlockNestedLoopJoinExec, HybridHashJoinExec};

use crate::data::{Key, Random, Side, batches};

pub const TYPES: [JoinType; 10] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::Right,
    JoinType::Full,
    JoinType::LeftSemi,
    JoinType::RightSemi,
    JoinType::LeftAnti,
    JoinType::RightAnti,
    JoinType::LeftMark,
    JoinType::RightMark,
];

/// One join.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub join: JoinType,
    pub key: Key,
    pub build: Side,
    pub probe: Side,
    pub equality: NullEquality,
    pub null_aware: bool,
    pub filter: bool,
    pub shared: bool,
    pub probes: usize,
    pub batch: usize,
    /// Partitions when it spills.
    pub partitions: usize,
    pub seed: u64,
}

impl Case {
    /// Whether it is a NOT IN whose set is the build side.
    fn builds_set(self) -> bool {
        self.null_aware && self.join == JoinType::RightAnti
    }
}

/// What came of it.
pub struct Outcome {
    pub rows: Vec<String>,
    metrics: MetricsSet,
    pub largest_batch: usize,
}

impl Outcome {
    pub fn metric(&self, name: &str) -> usize {
        let of_name = self
            .metrics
            .iter()
            .filter(|metric| metric.value().name() == name);
        let values = of_name.map(|metric| metric.value().as_usize());
        if name == "depth" {
            values.max().unwrap_or(0)
        } else {
            values.sum()
        }
    }
}

/// The scan of a side: its batches in as many partitions, one after the other.
pub type Scan<'a> = &'a dyn Fn(
    Vec<Vec<RecordBatch>>,
    datafusion::arrow::datatypes::SchemaRef,
) -> Arc<dyn ExecutionPlan>;

pub fn plain(
    partitions: Vec<Vec<RecordBatch>>,
    schema: datafusion::arrow::datatypes::SchemaRef,
) -> Arc<dyn ExecutionPlan> {
    MemorySourceConfig::try_new_exec(&partitions, schema, None).unwrap()
}

/// The stock hash join of a case.
pub fn stock(case: Case, build_scan: Scan, probe_scan: Scan) -> HashJoinExec {
    let Sides {
        left,
        right,
        on,
        filter,
    } = sides(case, build_scan, probe_scan);
    let mode = match case.shared {
        true => PartitionMode::CollectLeft,
        false => PartitionMode::Partitioned,
    };
    let (join, equality) = (&case.join, case.equality);
    if case.builds_set() {
        // The stock join knows NOT IN with the set as its probe side alone.
        let asked = Arc::new(CoalescePartitionsExec::new(right));
        let (join, on) = (join.swap(), on.into_iter().map(|(set, row)| (row, set)));
        let (on, set) = (on.collect(), left);
        let not_in = HashJoinExec::try_new(asked, set, on, None, &join, None, mode, equality, true);
        return not_in.unwrap();
    }
    let join = HashJoinExec::try_new(
        left,
        right,
        on,
        filter,
        join,
        None,
        mode,
        equality,
        case.null_aware,
    );
    join.unwrap()
}

/// The stock join of a case, whatever its kind.
fn stock_plan(case: Case, build_scan: Scan, probe_scan: Scan) -> Arc<dyn ExecutionPlan> {
    if case.key != Key::None {
        return Arc::new(stock(case, build_scan, probe_scan));
    }
    let Sides {
        left,
        right,
        filter,
        ..
    } = sides(case, build_scan, probe_scan);
    Arc::new(NestedLoopJoinExec::try_new(left, right, filter, &case.join, None).unwrap())
}

struct Sides {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    on: Vec<(PhysicalExprRef, PhysicalExprRef)>,
    filter: Option<JoinFilter>,
}

fn sides(case: Case, build_scan: Scan, probe_scan: Scan) -> Sides {
    let mut random = Random::new(case.seed);
    let (build_schema, build) = batches(case.build, case.key, case.batch, &mut random);
    let (probe_schema, probe) = batches(case.probe, case.key, case.batch, &mut random);
    let mut dealt = vec![Vec::new(); case.probes];
    for (number, batch) in probe.into_iter().enumerate() {
        dealt[number % case.probes].push(batch);
    }
    let keys = match case.key {
        Key::None => 0,
        Key::Two => 2,
        _ => 1,
    };
    let columns =
        |number: usize| -> PhysicalExprRef { Arc::new(Column::new(&format!("c{number}"), number)) };
    let on: Vec<_> = (0..keys).map(|key| (columns(key), columns(key))).collect();
    let (mut left, mut right) = (
        build_scan(vec![build], build_schema),
        probe_scan(dealt, probe_schema),
    );
    if !case.shared {
        let by_hash = || Partitioning::Hash((0..keys).map(columns).collect(), case.probes);
        left = Arc::new(RepartitionExec::try_new(left, by_hash()).unwrap());
        right = Arc::new(RepartitionExec::try_new(right, by_hash()).unwrap());
    }
    let filter = case
        .filter
        .then(|| numbers_are_ordered(keys, &left, &right));
    Sides {
        left,
        right,
        on,
        filter,
    }
}

/// The filter that the build row's number is below the probe row's.
fn numbers_are_ordered(
    number: usize,
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
) -> JoinFilter {
    let fields = [
        left.schema().field(number).clone(),
        right.schema().field(number).clone(),
    ];
    let schema = datafusion::arrow::datatypes::Schema::new(fields.to_vec());
    let indices = [JoinSide::Left, JoinSide::Right].map(|side| ColumnIndex {
        index: number,
        side,
    });
    let column = |index: usize| Arc::new(Column::new(schema.field(index).name(), index));
    let below = BinaryExpr::new(column(0), Operator::Lt, column(1));
    JoinFilter::new(Arc::new(below), indices.to_vec(), Arc::new(schema.clone()))
}

pub fn context(case: Case, runtime: Arc<RuntimeEnv>) -> Arc<TaskContext> {
    let mut config = SessionConfig::new().with_batch_size(case.batch);
    // As the engine sets it: with larger files, DataFusion's exchange can wait for ever for what it spilled itself.
    config.options_mut().execution.max_spill_file_size_bytes =
        ConfigNonZeroUsize::try_new(1).unwrap();
    Arc::new(
        TaskContext::default()
            .with_session_config(config)
            .with_runtime(runtime),
    )
}

pub fn runtime(pool: Arc<dyn MemoryPool>) -> Arc<RuntimeEnv> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .build_arc()
        .unwrap()
}

pub async fn outcome(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<Outcome> {
    let batches = collect(Arc::clone(&plan), context).await?;
    let largest_batch = batches.iter().map(RecordBatch::num_rows).max().unwrap_or(0);
    Ok(Outcome {
        rows: lines(&batches),
        // Not the plan: an exchange in it keeps what was not read of it until it is dropped.
        metrics: plan.metrics().unwrap(),
        largest_batch,
    })
}

/// The rows as text, in order.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines = Vec::new();
    let options = FormatOptions::default().with_null("NULL");
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<_> = columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect();
            lines.push(cells.join("|"));
        }
    }
    lines.sort_unstable();
    lines
}

/// What DataFusion's join answers with all the memory it wants.
pub async fn expected(case: Case) -> Vec<String> {
    let join = stock_plan(case, &plain, &plain);
    let context = context(case, Arc::new(RuntimeEnv::default()));
    outcome(join, context).await.unwrap().rows
}

/// Runs the join with this pool, and sees to it that nothing of it stays, in memory or on disk.
pub async fn hybrid(
    case: Case,
    pool: Arc<dyn MemoryPool>,
    build: Scan<'_>,
    probe: Scan<'_>,
) -> Outcome {
    let plan = ours(case, stock_plan(case, build, probe));
    let runtime = runtime(Arc::clone(&pool));
    let context = context(case, Arc::clone(&runtime));
    let outcome = outcome(plan, context)
        .await
        .unwrap_or_else(|error| panic!("{case:?}: {error}"));
    assert_nothing_left(case, &runtime).await;
    assert!(
        outcome.largest_batch <= case.batch,
        "{case:?}: {} rows",
        outcome.largest_batch
    );
    outcome
}

/// Ours in place of a stock join.
fn ours(case: Case, stock: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match stock.downcast_ref::<HashJoinExec>() {
        Some(join) if case.builds_set() => {
            let join = HybridHashJoinExec::with_set_built(join, case.partitions);
            let join: Arc<dyn ExecutionPlan> = Arc::new(join.unwrap().unwrap());
            let [set, asked] = join.children()[..] else {
                panic!("{case:?}: {} sides", join.children().len());
            };
            let sides = vec![Arc::clone(set), Arc::clone(asked.children()[0])];
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            join.replace_children(sides, options).unwrap()
        }
        Some(join) => Arc::new(HybridHashJoinExec::new(join, case.partitions).unwrap()),
        None => Arc::new(BlockNestedLoopJoinExec::of(&stock).unwrap()),
    }
}

pub async fn assert_nothing_left(case: Case, runtime: &RuntimeEnv) {
    // Exchanges run in tasks, which end a moment after those who read them.
    for _ in 0..200 {
        if runtime.memory_pool.reserved() == 0 && runtime.disk_manager.used_disk_space() == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(
        runtime.memory_pool.reserved(),
        0,
        "memory is left: {case:?}"
    );
    assert_eq!(
        runtime.disk_manager.used_disk_space(),
        0,
        "disk is left: {case:?}"
    );
    assert_eq!(
        runtime.disk_manager.spilling_progress().active_files_count,
        0,
        "{case:?}"
    );
}

pub fn assert_same(case: Case, rows: &[String], expected: &[String]) {
    if rows != expected {
        let extra: Vec<_> = rows
            .iter()
            .filter(|row| !expected.contains(row))
            .take(3)
            .collect();
        let missing: Vec<_> = expected
            .iter()
            .filter(|row| !rows.contains(row))
            .take(3)
            .collect();
        panic!(
            "{case:?}: {} rows, expected {}; extra {extra:?}, missing {missing:?}",
            rows.len(),
            expected.len()
        );
    }
}

/// A scan that calls `each` with the partition and the number of each batch before it hands it out.
pub fn watched(
    partitions: Vec<Vec<RecordBatch>>,
    schema: datafusion::arrow::datatypes::SchemaRef,
    each: Arc<dyn Fn(usize, usize) + Send + Sync>,
) -> Arc<dyn ExecutionPlan> {
    use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
    let streams = partitions
        .into_iter()
        .enumerate()
        .map(|(partition, batches)| {
            let schema = Arc::clone(&schema);
            let each = Arc::clone(&each);
            Arc::new(Watched {
                partition,
                batches,
                schema,
                each,
            }) as Arc<dyn PartitionStream>
        });
    let streams = streams.collect();
    Arc::new(StreamingTableExec::try_new(schema, streams, None, [], false, None).unwrap())
}

struct Watched {
    partition: usize,
    batches: Vec<RecordBatch>,
    schema: datafusion::arrow::datatypes::SchemaRef,
    each: Arc<dyn Fn(usize, usize) + Send + Sync>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watched[{}]", self.partition)
    }
}

impl datafusion::physical_plan::streaming::PartitionStream for Watched {
    fn schema(&self) -> &datafusion::arrow::datatypes::SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> datafusion::execution::SendableRecordBatchStream {
        let (each, partition) = (Arc::clone(&self.each), self.partition);
        let batches = self
            .batches
            .clone()
            .into_iter()
            .enumerate()
            .map(move |(number, batch)| {
                each(partition, number);
                Ok(batch)
            });
        let batches = futures::stream::iter(batches);
        Box::pin(
            datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                batches,
            ),
        )
    }
}
