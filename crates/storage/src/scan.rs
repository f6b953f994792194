use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::TryStreamExt;
use parking_lot::Mutex;
use plimsoll_exec::row_size;

use crate::dataset::{Dataset, Generation, Shape};
use crate::fill;
use crate::read::{ReadMetrics, Reading};
use crate::unit::Visit;
use crate::wanted::Wanted;

/// Reads a cached dataset, and computes what of it is not there; Spark's `InMemoryTableScanExec`.
pub struct CachedScanExec {
    dataset: Arc<Dataset>,
    generation: Arc<Generation>,
    /// What computes the rows; none where all of them were there when this was planned. It is no child, since no rule may
    /// change how its rows are dealt out to partitions.
    lineage: Option<Arc<dyn ExecutionPlan>>,
    /// What it has begun to read, unit by unit, which stays until it ends.
    visits: Arc<Visits>,
    wanted: Arc<Wanted>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl CachedScanExec {
    pub(crate) fn new(
        dataset: Arc<Dataset>,
        generation: Arc<Generation>,
        lineage: Option<Arc<dyn ExecutionPlan>>,
        visits: Option<Vec<Visit>>,
        wanted: Wanted,
    ) -> Result<Self> {
        let schema = Arc::new(dataset.core.schema.project(&wanted.columns)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(generation.partitions()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let visits = Visits::new(&generation, visits);
        Ok(Self {
            dataset,
            generation,
            lineage,
            visits: Arc::new(visits),
            wanted: Arc::new(wanted),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    fn metrics_of(&self, partition: usize) -> ReadMetrics {
        let count = |name| MetricBuilder::new(&self.metrics).counter(name, partition);
        ReadMetrics {
            skipped: count("blocks_skipped"),
            from_memory: count("blocks_from_memory"),
            from_disk: count("blocks_from_disk"),
            dropped: count("dropped_rows"),
        }
    }
}

/// What a scan has begun to read: its partitions read one computation of a unit, and begin one at most.
struct Visits(Mutex<Vec<Option<Visited>>>);

#[derive(Clone)]
struct Visited {
    visit: Arc<Visit>,
    /// Whether the scan computes the unit itself.
    is_own: bool,
}

impl Visits {
    fn new(generation: &Generation, visits: Option<Vec<Visit>>) -> Self {
        let visited = |visit| {
            Some(Visited {
                visit: Arc::new(visit),
                is_own: false,
            })
        };
        Self(Mutex::new(match visits {
            Some(visits) => visits.into_iter().map(visited).collect(),
            None => vec![None; generation.count_units()],
        }))
    }

    /// The visit of a unit that the scan has begun, or one that `enter` begins: also if what it has begun is `failed`.
    fn enter(
        &self,
        unit: usize,
        failed: Option<&Arc<Visit>>,
        enter: impl FnOnce() -> Result<Visited>,
    ) -> Result<Visited> {
        let mut visits = self.0.lock();
        match &visits[unit] {
            Some(visited) if !failed.is_some_and(|failed| Arc::ptr_eq(failed, &visited.visit)) => {
                Ok(visited.clone())
            }
            _ => Ok(visits[unit].insert(enter()?).clone()),
        }
    }
}

/// A partition that is about to be read.
struct Opening {
    dataset: Arc<Dataset>,
    generation: Arc<Generation>,
    visits: Arc<Visits>,
    lineage: Option<Arc<dyn ExecutionPlan>>,
    partition: usize,
    context: Arc<TaskContext>,
    wanted: Arc<Wanted>,
    schema: SchemaRef,
    metrics: ReadMetrics,
}

impl Opening {
    /// Begins to read the unit of the partition, and to compute it if nobody else does.
    fn enter(&self) -> Result<Visited> {
        let core = &self.dataset.core;
        let reads_rows = self.wanted.reads_rows();
        let entered = self.generation.enter(core, self.partition, reads_rows);
        if entered.is_first {
            let lineage = self.lineage.as_ref().ok_or_else(|| {
                internal_datafusion_err!("a cached table was lost while it was to be read")
            })?;
            fill::start(
                entered.visit.unit(),
                Arc::clone(lineage),
                self.generation.together_with(self.partition),
                Arc::clone(&self.context),
            );
        }
        Ok(Visited {
            visit: Arc::new(entered.visit),
            is_own: entered.is_first,
        })
    }

    fn count(&self, visited: &Visited) {
        let counters = &self.dataset.core.counters;
        match visited.visit.unit().is_ready() {
            true => counters.hits.add(1),
            false => counters.misses.add(1),
        }
    }

    /// Waits until the partition is there.
    async fn open(self) -> Result<Reading> {
        let (unit, at) = self.generation.place_of(self.partition);
        let mut failed = None;
        let visit = loop {
            let visited = self.visits.enter(unit, failed.as_ref(), || self.enter())?;
            if failed.is_none() {
                self.count(&visited);
            }
            match visited.visit.ready().await {
                Ok(()) => break visited.visit,
                Err(error) if visited.is_own => return Err(error),
                // What another query failed with need not befall this one.
                Err(_) => failed = Some(visited.visit),
            }
        };
        let kept = match (&self.wanted.predicate, &visit.unit().partition(at)?.bounds) {
            (Some(predicate), Some(bounds)) => predicate.prune(bounds).ok(),
            _ => None,
        };
        let batch_size = self.context.session_config().batch_size();
        Ok(Reading::new(
            (visit, at),
            self.wanted,
            (self.schema, batch_size),
            kept,
            self.metrics,
        ))
    }
}

impl fmt::Debug for CachedScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachedScanExec({:?})", self.dataset)
    }
}

impl DisplayAs for CachedScanExec {
    fn fmt_as(&self, _how: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.schema();
        let columns: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        write!(
            f,
            "CachedScanExec: level={}, columns=[{}]",
            self.dataset.level(),
            columns.join(", ")
        )?;
        if let Some(conditions) = &self.wanted.conditions {
            write!(f, ", rows_where={conditions}")?;
        }
        if let Some(predicate) = &self.wanted.predicate {
            write!(f, ", blocks_where={}", predicate.predicate_expr())?;
        }
        if let Some(fetch) = self.wanted.fetch {
            write!(f, ", fetch={fetch}")?;
        }
        match &self.lineage {
            Some(_) => write!(f, ", computes what is not cached"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for CachedScanExec {
    fn name(&self) -> &str {
        "CachedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        match &self.wanted.conditions {
            Some(conditions) => visit(conditions.whole()),
            None => Ok(TreeNodeRecursion::Continue),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("a CachedScanExec has no children"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let opening = Opening {
            dataset: Arc::clone(&self.dataset),
            generation: Arc::clone(&self.generation),
            visits: Arc::clone(&self.visits),
            lineage: self.lineage.clone(),
            partition,
            context,
            wanted: Arc::clone(&self.wanted),
            schema: Arc::clone(&schema),
            metrics: self.metrics_of(partition),
        };
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let rows = futures::stream::once(opening.open()).map_ok(move |reading| {
            let baseline = baseline.clone();
            let rows = futures::stream::try_unfold(reading, |mut reading| async move {
                Ok(reading.next().await?.map(|rows| (rows, reading)))
            });
            rows.inspect_ok(move |rows| {
                rows.num_rows().record_output(&baseline);
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            schema,
            rows.try_flatten(),
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let whole = &self.dataset.core.schema;
        let mut statistics = Statistics::new_unknown(whole);
        if args.partition().is_none()
            && let Some((rows, bytes)) = self.dataset.size()
        {
            statistics.num_rows = Precision::Exact(rows as usize);
            // Of the columns that are read, their share, as Spark takes it of what a projection is made of.
            let (part, all) = (row_size(&self.schema()), row_size(whole));
            let bytes = u128::from(bytes) * u128::from(part) / u128::from(all);
            statistics.total_byte_size = Precision::Inexact(bytes as usize);
        }
        if let Some(conditions) = &self.wanted.conditions {
            statistics = Arc::unwrap_or_clone(conditions.estimate(statistics, args)?);
        }
        let columns = &statistics.column_statistics;
        let wanted = self.wanted.columns.iter();
        statistics.column_statistics = wanted.map(|at| columns[*at].clone()).collect();
        if args.partition().is_none() {
            statistics = statistics.with_fetch(self.wanted.fetch, 0, 1)?;
        }
        Ok(Arc::new(statistics))
    }
}

/// What a node reads from the cache, if it is such a node: the dataset, and how its partitions are made.
pub(crate) fn reads(node: &Arc<dyn ExecutionPlan>) -> Option<(u64, Shape)> {
    let scan = node.downcast_ref::<CachedScanExec>()?;
    Some((scan.dataset.core.id, scan.generation.shape()))
}

/// What computes the rows that a node reads from the cache and that are not there, if it is such a node.
pub fn lineage(node: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    node.downcast_ref::<CachedScanExec>()?.lineage.as_ref()
}
