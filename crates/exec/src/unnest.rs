//! Lists become rows a bounded piece at a time.
//!
//! DataFusion's `UnnestExec` makes rows of a list at once, each with a copy of all other columns: a list of a million numbers
//! beside a text of ten kilobytes would be ten gigabytes, which nobody reserves. [`UnnestPiecesExec`] stands below it and hands it
//! its rows in batches that come to no more than a few megabytes, a row that alone comes to more in several rows with a
//! part of its lists each.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_execution::{TryEmitter, async_try_stream};
use futures::StreamExt;

use crate::batches::{content_bytes, with_rows};
use crate::plan::replace;

/// Bytes that the rows of a batch come to: this part of the memory, within bounds.
const PIECE_PART: usize = 128;
const PIECE: std::ops::RangeInclusive<usize> = (256 << 10)..=(4 << 20);

/// Cuts rows so that what their lists come to is bounded.
#[derive(Debug)]
pub struct UnnestPiecesExec {
    input: Arc<dyn ExecutionPlan>,
    /// The columns that become rows.
    lists: Vec<usize>,
}

impl DisplayAs for UnnestPiecesExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                f.write_str("UnnestPiecesExec")
            }
            DisplayFormatType::TreeRender => Ok(()),
        }
    }
}

impl ExecutionPlan for UnnestPiecesExec {
    fn name(&self) -> &'static str {
        "UnnestPiecesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return datafusion::common::internal_err!("pieces are made of one input");
        };
        let lists = self.lists.clone();
        Ok(Arc::new(Self { input, lists }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let properties = datafusion::physical_plan::ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(properties))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut input = self.input.execute(partition, Arc::clone(&context))?;
        let limit = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => usize::MAX,
        };
        let pieces = Pieces {
            lists: self.lists.clone(),
            rows: context.session_config().batch_size().max(1),
            bytes: (limit / PIECE_PART).clamp(*PIECE.start(), *PIECE.end()),
        };
        let rows = async_try_stream(move |mut emitter| async move {
            while let Some(batch) = input.next().await.transpose()? {
                pieces.cut(batch, &mut emitter).await?;
            }
            Ok(())
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// What a batch may come to.
struct Pieces {
    lists: Vec<usize>,
    rows: usize,
    bytes: usize,
}

impl Pieces {
    /// Hands on a batch in pieces.
    async fn cut(
        &self,
        batch: RecordBatch,
        emitter: &mut TryEmitter<RecordBatch, DataFusionError>,
    ) -> Result<()> {
        let others = (0..batch.num_columns()).filter(|column| !self.lists.contains(column));
        let others = batch.project(&others.collect::<Vec<_>>())?;
        let length = |row: usize| {
            let lists = self.lists.iter();
            let lengths = lists.map(|list| length(batch.column(*list), row));
            lengths.max().unwrap_or(0).max(1)
        };
        let lengths: Vec<usize> = (0..batch.num_rows()).map(length).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if longest <= self.rows && content_bytes(&others).saturating_mul(longest) <= self.bytes {
            emitter.emit(batch).await;
            return Ok(());
        }
        let (mut first, mut rows, mut bytes) = (0, 0, 0);
        for (row, length) in lengths.iter().enumerate() {
            let row_bytes = content_bytes(&others.slice(row, 1)).max(1);
            let comes_to = row_bytes.saturating_mul(*length);
            let is_full = rows + length > self.rows || comes_to > self.bytes.saturating_sub(bytes);
            if is_full && row > first {
                emitter.emit(batch.slice(first, row - first)).await;
                (first, rows, bytes) = (row, 0, 0);
            }
            if *length > self.rows || comes_to > self.bytes {
                let at_once = (self.bytes / row_bytes).clamp(1, self.rows);
                for start in (0..*length).step_by(at_once) {
                    emitter.emit(self.part(&batch, row, start, at_once)?).await;
                }
                first = row + 1;
            } else {
                rows += length;
                bytes += comes_to;
            }
        }
        if first < batch.num_rows() {
            let rest = batch.slice(first, batch.num_rows() - first);
            emitter.emit(rest).await;
        }
        Ok(())
    }

    /// One row with so many elements of its lists, from number `start` on.
    fn part(
        &self,
        batch: &RecordBatch,
        row: usize,
        start: usize,
        count: usize,
    ) -> Result<RecordBatch> {
        let (schema, mut columns, _) = batch.slice(row, 1).into_parts();
        for list in &self.lists {
            columns[*list] = match schema.field(*list).data_type() {
                DataType::List(field) => elements::<i32>(&columns[*list], field, start, count)?,
                DataType::LargeList(field) => {
                    elements::<i64>(&columns[*list], field, start, count)?
                }
                other => return datafusion::common::internal_err!("{other} is cut as a list"),
            };
        }
        with_rows(&schema, columns, 1)
    }
}

fn length(list: &ArrayRef, row: usize) -> usize {
    if list.is_null(row) {
        return 0;
    }
    match list.data_type() {
        DataType::List(_) => list.as_list::<i32>().value_length(row) as usize,
        _ => list.as_list::<i64>().value_length(row) as usize,
    }
}

/// The list of one row as a list of some of its elements: of none, where it has no more.
fn elements<O: OffsetSizeTrait>(
    list: &ArrayRef,
    field: &FieldRef,
    start: usize,
    count: usize,
) -> Result<ArrayRef> {
    let list = list.as_list::<O>();
    // Behind a NULL there may be elements.
    let values = match list.is_null(0) {
        true => list.values().slice(0, 0),
        false => list.value(0),
    };
    let start = start.min(values.len());
    let values = values.slice(start, count.min(values.len() - start));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = GenericListArray::<O>::try_new(Arc::clone(field), offsets, values, None)?;
    Ok(Arc::new(list))
}

/// Puts [`UnnestPiecesExec`] below every `UnnestExec` of lists. It has its place at the end.
#[derive(Debug, Default)]
pub struct UnnestsInPieces;

impl PhysicalOptimizerRule for UnnestsInPieces {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        replace(plan, |node| {
            node.downcast_ref::<UnnestExec>()
                .and_then(in_pieces)
                .transpose()
        })
    }

    fn name(&self) -> &str {
        "UnnestsInPieces"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same over pieces, unless it is, or unnests lists in lists: what these come to together is known to it alone.
fn in_pieces(unnest: &UnnestExec) -> Option<Result<UnnestExec>> {
    let input = unnest.input();
    let schema = input.schema();
    let lists = unnest.list_column_indices();
    let can_be_cut = |list: &usize| {
        let data_type = schema.field(*list).data_type();
        matches!(data_type, DataType::List(_) | DataType::LargeList(_))
    };
    let columns: Vec<usize> = lists
        .iter()
        .map(|list| list.index_in_input_schema)
        .collect();
    let is_flat = lists.iter().all(|list| list.depth == 1);
    let has_lists = !columns.is_empty() && columns.iter().all(can_be_cut);
    if !is_flat || !has_lists || input.is::<UnnestPiecesExec>() {
        return None;
    }
    let pieces = UnnestPiecesExec {
        input: Arc::clone(input),
        lists: columns,
    };
    Some(UnnestExec::new(
        Arc::new(pieces),
        lists.to_vec(),
        unnest.struct_column_indices().to_vec(),
        unnest.schema(),
        unnest.options().clone(),
    ))
}
