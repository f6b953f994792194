//! Lists become rows a bounded piece at a time.
//!
//! DataFusion's `UnnestExec` makes rows of a list at once, each with a copy of all other columns: a list of a million numbers
//! beside a text of ten kilobytes would be ten gigabytes, which nobody reserves. A [`PiecesExec`] below it hands it its rows in
//! batches that come to no more than a few megabytes, a row that alone comes to more in several rows with a part of its
//! lists each.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion_execution::TryEmitter;

use super::{Cut, PiecesExec, Size};
use crate::batches::{content_bytes, with_rows};
use crate::plan::replace;

/// Columns whose lists become rows, and what a batch may come to.
pub(super) struct Lists<'a> {
    pub(super) lists: &'a [usize],
    pub(super) size: Size,
}

impl Lists<'_> {
    /// Hands on a batch in pieces.
    pub(super) async fn cut(
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
        if longest <= self.size.rows
            && content_bytes(&others).saturating_mul(longest) <= self.size.bytes
        {
            emitter.emit(batch).await;
            return Ok(());
        }
        let (mut first, mut rows, mut bytes) = (0, 0, 0);
        for (row, length) in lengths.iter().enumerate() {
            let row_bytes = content_bytes(&others.slice(row, 1)).max(1);
            let comes_to = row_bytes.saturating_mul(*length);
            let is_full =
                rows + length > self.size.rows || comes_to > self.size.bytes.saturating_sub(bytes);
            if is_full && row > first {
                emitter.emit(batch.slice(first, row - first)).await;
                (first, rows, bytes) = (row, 0, 0);
            }
            if *length > self.size.rows || comes_to > self.size.bytes {
                let at_once = (self.size.bytes / row_bytes).clamp(1, self.size.rows);
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
        for list in self.lists {
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

/// Puts a [`PiecesExec`] below every `UnnestExec` of lists. It has its place at the end.
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
    if !is_flat || !has_lists || input.is::<PiecesExec>() {
        return None;
    }
    let pieces = PiecesExec::new(Arc::clone(input), Cut::Lists(columns));
    Some(UnnestExec::new(
        Arc::new(pieces),
        lists.to_vec(),
        unnest.struct_column_indices().to_vec(),
        unnest.schema(),
        unnest.options().clone(),
    ))
}
