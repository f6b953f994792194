//! Wide values are computed a bounded piece at a time.
//!
//! DataFusion's `ProjectionExec` computes its values for a batch at once: 8,192 texts of 4 KB each are 32 MB, and while they are made
//! up to twice that, in every partition. A [`PiecesExec`] below it computes the values of a few rows to see how wide they are,
//! and hands it no more rows at a time than come to a few megabytes.

use std::sync::Arc;

use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

use super::{Cut, PiecesExec, Size};
use crate::batches::content_bytes_of;

/// How many rows of a batch are looked at, spread over it. Not so few that one wide value is taken for all, and so few that
/// computing them twice costs less than half a percent.
const SAMPLE: usize = 32;

/// A batch in pieces for which these values come to no more than asked for, if all its rows are as its sample is.
pub(super) fn cut(
    batch: &RecordBatch,
    values: &[Arc<dyn PhysicalExpr>],
    size: Size,
) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    // What cannot be computed is for the projection to tell.
    let at_once = match rows > SAMPLE {
        true => bytes_of_row(batch, values).map_or(rows, |bytes| size.bytes / bytes.max(1)),
        false => rows,
    };
    let at_once = at_once.max(1);
    (0..rows)
        .step_by(at_once)
        .map(|first| batch.slice(first, at_once.min(rows - first)))
        .collect()
}

/// Bytes that these values come to in a row, by a sample.
fn bytes_of_row(batch: &RecordBatch, values: &[Arc<dyn PhysicalExpr>]) -> Result<usize> {
    let stride = batch.num_rows() / SAMPLE;
    let rows = UInt32Array::from_iter_values((0..SAMPLE).map(|row| (row * stride) as u32));
    let sample = take_record_batch(batch, &rows)?;
    let mut bytes = 0;
    for value in values {
        let computed = value.evaluate(&sample)?.into_array(SAMPLE)?;
        bytes += content_bytes_of(&computed);
    }
    Ok(bytes / SAMPLE)
}

/// Puts a [`PiecesExec`] below every `ProjectionExec` that computes values of any length. It has its place at the end.
#[derive(Debug, Default)]
pub struct ProjectionsInPieces;

impl PhysicalOptimizerRule for ProjectionsInPieces {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match in_pieces(&node)? {
            Some(pieces) => Ok(Transformed::yes(pieces)),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "ProjectionsInPieces"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same projection over pieces, unless it is or has no need of them.
fn in_pieces(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(projection) = node.downcast_ref::<ProjectionExec>() else {
        return Ok(None);
    };
    let input = projection.input();
    let values: Vec<_> = projection
        .expr()
        .iter()
        .map(|computed| Arc::clone(&computed.expr))
        .filter(|value| may_be_wide(value, input))
        .collect();
    if values.is_empty() || input.is::<PiecesExec>() {
        return Ok(None);
    }
    let pieces = PiecesExec::new(Arc::clone(input), Cut::Values(values));
    replace_children_if_necessary(Arc::clone(node), vec![Arc::new(pieces)]).map(Some)
}

/// Whether a value is computed, of any length, and the same when it is computed once more.
fn may_be_wide(value: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>) -> bool {
    let has_any_length = value
        .data_type(&input.schema())
        .is_ok_and(|data_type| !is_of_one_size(&data_type));
    has_any_length && !value.is::<Column>() && !is_volatile(value)
}

fn is_of_one_size(data_type: &DataType) -> bool {
    data_type.is_primitive() || matches!(data_type, DataType::Boolean | DataType::Null)
}
