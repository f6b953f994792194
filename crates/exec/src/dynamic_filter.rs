mod origins;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray};
use datafusion::arrow::compute::{BatchCoalescer, and, prep_null_mask_filter};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{
    Column, DynamicFilterPhysicalExpr, DynamicFilterTracking,
};
use datafusion::physical_expr::utils::split_conjunction;
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef, conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;
use futures::stream::{Fuse, try_unfold};

use origins::{Origins, place_of};

/// Puts a [`DynamicFilterExec`] on each scan that hash joins have given filters. It has to come after filters were pushed
/// into scans.
///
/// DataFusion uses such a filter to pass over files and row groups. Rows that it would drop still go through exchanges to
/// the join, and to disk where the join spills. Filters inside the Parquet reader (`pushdown_filters`) would drop them too,
/// with each filter evaluated on all rows even where it drops none.
///
/// A filter that DataFusion has pushed to where its keys do not come from is taken out of the scan.
#[derive(Debug, Default)]
pub struct DynamicFilters;

impl PhysicalOptimizerRule for DynamicFilters {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let origins = Origins::of(&plan)?;
        plan.transform_up(|node| {
            let Some((filters, rest)) = filters_of(&node, &origins)? else {
                return Ok(Transformed::no(node));
            };
            let scan = match rest {
                Some(rest) => with_predicate(&node, rest),
                None => node,
            };
            Ok(Transformed::yes(match filters.is_empty() {
                true => scan,
                false => Arc::new(DynamicFilterExec::new(scan, filters)),
            }))
        })
        .data()
    }

    fn name(&self) -> &str {
        "DynamicFilters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn files_of(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let scan = node.downcast_ref::<DataSourceExec>()?;
    scan.data_source().downcast_ref::<FileScanConfig>()
}

/// The filters of joins that a scan of files was given, in terms of its output, and what its predicate is to be if there
/// were some that it should not have been given. `None` if nothing is to change.
type Filters = (Vec<PhysicalExprRef>, Option<PhysicalExprRef>);

fn filters_of(node: &Arc<dyn ExecutionPlan>, origins: &Origins) -> Result<Option<Filters>> {
    let Some(files) = files_of(node) else {
        return Ok(None);
    };
    let Some(predicate) = files.file_source().filter() else {
        return Ok(None);
    };
    let (mut filters, mut rest, mut are_all_right) = (Vec::new(), Vec::new(), true);
    for term in split_conjunction(&predicate) {
        let id = term
            .downcast_ref::<DynamicFilterPhysicalExpr>()
            .and_then(|filter| filter.expression_id());
        if let Some(id) = id.filter(|id| origins.are_of_a_join(*id)) {
            let filter = of_output(term, files)?;
            let Some(filter) = filter.filter(|filter| {
                let keys = filter.children().into_iter().map(place_of);
                let keys = keys.collect::<Option<Vec<_>>>();
                keys.is_some_and(|keys| origins.have(node, id, keys))
            }) else {
                are_all_right = false;
                continue;
            };
            filters.push(filter);
        }
        rest.push(Arc::clone(term));
    }
    if are_all_right && filters.is_empty() {
        return Ok(None);
    }
    let rest = (!are_all_right).then(|| conjunction(rest));
    Ok(Some((filters, rest)))
}

/// The scan with another predicate, if it is one of Parquet; no other has one.
fn with_predicate(
    node: &Arc<dyn ExecutionPlan>,
    predicate: PhysicalExprRef,
) -> Arc<dyn ExecutionPlan> {
    let Some((files, source)) = files_of(node).and_then(|files| {
        let source = files.file_source().downcast_ref::<ParquetSource>()?;
        Some((files, source))
    }) else {
        return Arc::clone(node);
    };
    let source = Arc::new(source.with_predicate(predicate));
    let files = FileScanConfigBuilder::from(files.clone()).with_source(source);
    DataSourceExec::from_data_source(files.build())
}

/// A filter on the table's columns as one on the columns that a scan hands out; `None` if it does not hand out all that
/// the filter needs.
fn of_output(filter: &PhysicalExprRef, files: &FileScanConfig) -> Result<Option<PhysicalExprRef>> {
    let Some(projection) = files.file_source().projection() else {
        return Ok(Some(Arc::clone(filter)));
    };
    let mut is_whole = true;
    let moved = Arc::clone(filter).transform_up(|expression| {
        let Some(column) = expression.downcast_ref::<Column>() else {
            return Ok(Transformed::no(expression));
        };
        let place = projection.iter().position(|projected| {
            let source = projected.expr.downcast_ref::<Column>();
            source.is_some_and(|source| source.index() == column.index())
        });
        let Some((place, name)) = place.and_then(|place| {
            let projected = projection.iter().nth(place)?;
            Some((place, &projected.alias))
        }) else {
            is_whole = false;
            return Ok(Transformed::no(expression));
        };
        Ok(Transformed::yes(
            Arc::new(Column::new(name, place)) as PhysicalExprRef
        ))
    });
    let moved = moved.data()?;
    Ok(is_whole.then_some(moved))
}

/// Drops the rows of a scan that its dynamic filters rule out, for as long as they rule out enough.
#[derive(Debug)]
pub struct DynamicFilterExec {
    scan: Arc<dyn ExecutionPlan>,
    filters: Vec<PhysicalExprRef>,
    metrics: ExecutionPlanMetricsSet,
}

impl DynamicFilterExec {
    fn new(scan: Arc<dyn ExecutionPlan>, filters: Vec<PhysicalExprRef>) -> Self {
        Self {
            scan,
            filters,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for DynamicFilterExec {
    fn fmt_as(&self, _how: DisplayFormatType, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filters: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
        write!(to, "DynamicFilterExec: {}", filters.join(" AND "))
    }
}

impl ExecutionPlan for DynamicFilterExec {
    fn name(&self) -> &str {
        "DynamicFilterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.scan.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.scan]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut recursion = TreeNodeRecursion::Continue;
        for filter in &self.filters {
            recursion = visit(filter)?;
            if recursion == TreeNodeRecursion::Stop {
                break;
            }
        }
        Ok(recursion)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(scan), true) => Ok(Arc::new(Self::new(scan, self.filters.clone()))),
            _ => internal_err!("a DynamicFilterExec has one child"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let scan = self.scan.execute(partition, Arc::clone(&context))?;
        let schema = scan.schema();
        let batch_size = context.session_config().batch_size();
        let filtering = Filtering {
            scan: scan.fuse(),
            filters: self.filters.iter().map(Worth::new).collect(),
            kept: BatchCoalescer::new(Arc::clone(&schema), batch_size),
            whole: VecDeque::new(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            dropped: MetricBuilder::new(&self.metrics).counter("dropped_rows", partition),
        };
        let batches = try_unfold(filtering, async |mut filtering| {
            let batch = filtering.next().await?;
            Ok(batch.map(|batch| (batch, filtering)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// A scan on its way through filters.
struct Filtering {
    /// Asked once more after its end, when what is left was handed on.
    scan: Fuse<SendableRecordBatchStream>,
    filters: Vec<Worth>,
    /// Rows out of batches that were filtered, copied: they hold on to nothing that was dropped.
    kept: BatchCoalescer,
    /// Batches to be handed on.
    whole: VecDeque<RecordBatch>,
    metrics: BaselineMetrics,
    dropped: Count,
}

impl Filtering {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.whole.pop_front() {
                return Ok(Some(batch.record_output(&self.metrics)));
            }
            let Some(batch) = self.scan.next().await.transpose()? else {
                self.kept.finish_buffered_batch()?;
                self.take_completed();
                let last = self.whole.pop_front();
                return Ok(last.map(|batch| batch.record_output(&self.metrics)));
            };
            let time = self.metrics.elapsed_compute().clone();
            let _time = time.timer();
            self.filter(batch)?;
        }
    }

    fn filter(&mut self, batch: RecordBatch) -> Result<()> {
        let mut keep: Option<BooleanArray> = None;
        for filter in &mut self.filters {
            if let Some(more) = filter.of(&batch) {
                keep = Some(match keep {
                    Some(keep) => and(&keep, &more)?,
                    None => more,
                });
            }
        }
        match keep {
            Some(keep) if keep.true_count() < batch.num_rows() => {
                self.dropped.add(batch.num_rows() - keep.true_count());
                self.kept.push_batch_with_filter(batch, &keep)?;
            }
            _ => {
                // In the order in which they were read.
                self.kept.finish_buffered_batch()?;
                self.take_completed();
                self.whole.push_back(batch);
                return Ok(());
            }
        }
        self.take_completed();
        Ok(())
    }

    fn take_completed(&mut self) {
        while let Some(batch) = self.kept.next_completed_batch() {
            self.whole.push_back(batch);
        }
    }
}

/// A filter, and what it has been good for.
struct Worth {
    filter: PhysicalExprRef,
    tracking: DynamicFilterTracking,
    seen: usize,
    kept: usize,
}

/// Rows after which it is asked what a filter is good for.
const ROWS_TO_JUDGE_BY: usize = 64 << 10;

/// A filter that drops less than one row in so many costs more than it saves.
const LEAST_DROPPED: usize = 5;

impl Worth {
    fn new(filter: &PhysicalExprRef) -> Self {
        Self {
            filter: Arc::clone(filter),
            tracking: DynamicFilterTracking::classify(filter),
            seen: 0,
            kept: 0,
        }
    }

    /// Which rows the filter keeps; `None` if it is not worth asking: it has dropped too few, and has not changed since.
    fn of(&mut self, batch: &RecordBatch) -> Option<BooleanArray> {
        if self
            .tracking
            .watcher()
            .is_some_and(|watcher| watcher.changed())
        {
            (self.seen, self.kept) = (0, 0);
        }
        if self.seen >= ROWS_TO_JUDGE_BY && self.seen - self.kept < self.seen / LEAST_DROPPED {
            return None;
        }
        let rows = batch.num_rows();
        self.seen += rows;
        // The join sees to it that the answer is right: a filter that fails is one that keeps all.
        let kept = self
            .filter
            .evaluate(batch)
            .and_then(|kept| kept.into_array(rows));
        let Some(kept) = kept.ok().and_then(|kept| kept.as_boolean_opt().cloned()) else {
            self.kept += rows;
            return None;
        };
        // What is unknown is not kept.
        let kept = match kept.null_count() {
            0 => kept,
            _ => prep_null_mask_filter(&kept),
        };
        self.kept += kept.true_count();
        Some(kept)
    }
}
