use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ByteView, GenericByteViewArray};
use datafusion::arrow::datatypes::{BinaryViewType, ByteViewType, DataType, StringViewType};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, Statistics,
};
use futures::TryStreamExt;
use plimsoll_memory::TaskMemory;

/// Puts a [`SteadyScan`] on each scan of files. It has to be the last rule, since others look for the
/// scans themselves.
#[derive(Debug, Default)]
pub(crate) struct SteadyScans;

impl PhysicalOptimizerRule for SteadyScans {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let scan = node.downcast_ref::<DataSourceExec>();
            let of_files = |scan: &DataSourceExec| scan.data_source().is::<FileScanConfig>();
            Ok(match scan.is_some_and(of_files) {
                true => {
                    Transformed::yes(Arc::new(SteadyScan { scan: node }) as Arc<dyn ExecutionPlan>)
                }
                false => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "SteadyScans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Hands out the batches of a scan of files, one at a time, without the memory that they would hold on
/// to for nothing.
///
/// Texts are read from Parquet as views into the pages that they were decoded from. An operator that
/// keeps a batch of them keeps its pages, however few of their texts are in the batch, and one page
/// counts with each batch that has a view into it.
#[derive(Debug)]
pub(crate) struct SteadyScan {
    scan: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for SteadyScan {
    fn fmt_as(&self, _how: DisplayFormatType, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "SteadyScan")
    }
}

impl ExecutionPlan for SteadyScan {
    fn name(&self) -> &str {
        "SteadyScan"
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
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(scan), true) => Ok(Arc::new(Self { scan })),
            _ => internal_err!("a SteadyScan has one child"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let task = TaskMemory::of(context.memory_pool());
        let scan = self.scan.execute(partition, context)?;
        let schema = scan.schema();
        let batches = futures::stream::try_unfold((scan, task), next_batch);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        of_scan: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        match of_scan {
            [statistics] => Ok(Arc::clone(statistics)),
            _ => internal_err!("a SteadyScan has one child"),
        }
    }
}

/// How long a scan waits for memory before each batch, at most: what it reads may be what others need to
/// come to an end.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// A scan under way, and the task that it reads for.
type Scanning = (SendableRecordBatchStream, Option<Arc<TaskMemory>>);

/// Reads the next batch, once there is memory for one: nothing of it has been decoded yet.
async fn next_batch((mut scan, task): Scanning) -> Result<Option<(RecordBatch, Scanning)>> {
    if let Some(task) = &task {
        task.until_let_go(LONGEST_WAIT).await;
    }
    let batch = scan.try_next().await?;
    batch
        .map(|batch| Ok((let_go(batch)?, (scan, task))))
        .transpose()
}

/// The batch with texts of its own where they hold on to more than twice what they need.
fn let_go(batch: RecordBatch) -> Result<RecordBatch> {
    let mut changed = false;
    let column = |array: &ArrayRef| {
        let own = match array.data_type() {
            DataType::Utf8View => own_texts::<StringViewType>(array),
            DataType::BinaryView => own_texts::<BinaryViewType>(array),
            _ => None,
        };
        changed |= own.is_some();
        own.unwrap_or_else(|| Arc::clone(array))
    };
    let columns: Vec<ArrayRef> = batch.columns().iter().map(column).collect();
    if !changed {
        return Ok(batch);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(batch.schema(), columns, &options)?;
    Ok(batch)
}

/// What is not worth a copy, in bytes.
const LITTLE: usize = 16 << 10;

fn own_texts<T: ByteViewType>(array: &ArrayRef) -> Option<ArrayRef> {
    let views: &GenericByteViewArray<T> = array.as_byte_view();
    let held: usize = views
        .data_buffers()
        .iter()
        .map(|buffer| buffer.capacity())
        .sum();
    if held <= LITTLE {
        return None;
    }
    // Texts of up to 12 bytes are in the views themselves.
    let lengths = views
        .views()
        .iter()
        .map(|view| ByteView::from(*view).length);
    let used: usize = lengths
        .filter(|length| *length > 12)
        .map(|length| length as usize)
        .sum();
    (held > LITTLE + 2 * used).then(|| Arc::new(views.gc()) as ArrayRef)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::StringViewArray;

    fn texts(count: usize) -> StringViewArray {
        StringViewArray::from_iter_values((0..count).map(|at| format!("a text of its own, {at}")))
    }

    #[test]
    fn a_slice_lets_go_of_the_page_and_a_whole_page_stays_as_it_is() {
        let page = texts(100_000);
        let held = page.get_buffer_memory_size();
        let whole = RecordBatch::try_from_iter([("s", Arc::new(page) as ArrayRef)]).unwrap();
        let slice = let_go(whole.slice(500, 100)).unwrap();
        assert!(slice.column(0).get_buffer_memory_size() < held / 100);
        assert_eq!(&slice, &whole.slice(500, 100));
        let kept = let_go(whole.clone()).unwrap();
        let buffer =
            |batch: &RecordBatch| batch.column(0).as_string_view().data_buffers()[0].as_ptr();
        assert_eq!(buffer(&kept), buffer(&whole));
    }
}
