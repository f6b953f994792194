use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray};
use datafusion::arrow::compute::{filter_record_batch, prep_null_mask_filter};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{Column, DynamicFilterTracking};
use datafusion::physical_expr::utils::split_conjunction;
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt};

/// Puts a [`DynamicFilterExec`] on each scan that was given dynamic filters, those of hash joins above all. It has to come
/// after filters were pushed into scans.
///
/// DataFusion uses such a filter to pass over files and row groups. Rows that it would drop still go through exchanges to
/// the join, and to disk where the join spills. Filters inside the Parquet reader (`pushdown_filters`) would drop them too,
/// with each filter evaluated on all rows even where it drops none.
#[derive(Debug, Default)]
pub struct DynamicFilters;

impl PhysicalOptimizerRule for DynamicFilters {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let filters = filters_of(&node)?;
            Ok(match filters.is_empty() {
                true => Transformed::no(node),
                false => Transformed::yes(Arc::new(DynamicFilterExec::new(node, filters))),
            })
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

/// The dynamic filters that a scan of files was given, in terms of its output.
fn filters_of(node: &Arc<dyn ExecutionPlan>) -> Result<Vec<PhysicalExprRef>> {
    let scan = node.downcast_ref::<DataSourceExec>();
    let Some(files) = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>())
    else {
        return Ok(Vec::new());
    };
    let Some(predicate) = files.file_source().filter() else {
        return Ok(Vec::new());
    };
    let mut filters = Vec::new();
    for term in split_conjunction(&predicate) {
        if DynamicFilterTracking::classify(term).contains_dynamic_filter()
            && let Some(filter) = of_output(term, files)?
        {
            filters.push(filter);
        }
    }
    Ok(filters)
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
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let mut rows = Filtering {
            filters: self.filters.iter().map(Worth::new).collect(),
            dropped: MetricBuilder::new(&self.metrics).counter("dropped_rows", partition),
        };
        let scan = self.scan.execute(partition, context)?;
        let schema = scan.schema();
        let batches = scan.map(move |batch| {
            let time = metrics.elapsed_compute().timer();
            let batch = rows.filter(batch?)?;
            time.done();
            Ok(batch.record_output(&metrics))
        });
        let batches = batches.try_filter(|batch| std::future::ready(batch.num_rows() > 0));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Filtering {
    filters: Vec<Worth>,
    dropped: Count,
}

impl Filtering {
    fn filter(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut batch = batch;
        for filter in &mut self.filters {
            if filter.is_worth_it() && batch.num_rows() > 0 {
                batch = filter.filter(batch)?;
            }
        }
        self.dropped.add(rows - batch.num_rows());
        Ok(batch)
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

    /// Whether the filter has dropped enough, is new, or has changed.
    fn is_worth_it(&mut self) -> bool {
        if self
            .tracking
            .watcher()
            .is_some_and(|watcher| watcher.changed())
        {
            (self.seen, self.kept) = (0, 0);
        }
        self.seen < ROWS_TO_JUDGE_BY || self.seen - self.kept >= self.seen / LEAST_DROPPED
    }

    fn filter(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let keep = self.filter.evaluate(&batch)?.into_array(rows)?;
        let keep: &BooleanArray = keep.as_boolean();
        let kept = keep.true_count();
        self.seen += rows;
        self.kept += kept;
        Ok(match kept {
            _ if kept == rows => batch,
            0 => batch.slice(0, 0),
            // What is unknown is not kept.
            _ if keep.null_count() > 0 => {
                filter_record_batch(&batch, &prep_null_mask_filter(keep))?
            }
            _ => filter_record_batch(&batch, keep)?,
        })
    }
}
