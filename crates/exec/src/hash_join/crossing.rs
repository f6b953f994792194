//! All rows with all rows: what a join without keys looks at.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, Result, ScalarValue, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr,
    Literal, NegativeExpr, NotExpr,
};
use datafusion::physical_plan::joins::utils::JoinFilter;

use super::gather::Pairs;
use super::spec::Spec;
use super::table::Table;
use crate::batches::{content_bytes, with_rows};

/// What the rows of a block may come to, in bytes.
const BLOCK_BYTES: usize = 8 << 20;

/// A range of so many inner rows is worth a block of its own.
const WORTH_A_BLOCK: usize = 256;

/// A batch of probe rows on its way through a table of build rows, block by block.
///
/// A block is some rows of one side, the *outer*, each with a range of rows of the other, the *inner*, which is the one
/// with more rows. So a block is mostly one outer row, whose values are constants to the join's filter, and slices of
/// the inner side's columns, of which nothing is copied.
pub(crate) struct Crossing {
    /// Whether the build rows are the outer ones.
    by_build: bool,
    /// How many rows of each side are looked at.
    outer: usize,
    inner: usize,
    /// Outer rows in a block, and inner ones.
    group: usize,
    piece: usize,
    /// How many pairs are worth a batch.
    most: usize,
    /// Whether the values of an outer row can be constants to the filter.
    with_constants: bool,
    next_outer: usize,
    next_inner: usize,
}

impl Crossing {
    pub(crate) fn new(spec: &Spec, table: &Table, probe: &RecordBatch) -> Self {
        let (mut build_rows, mut probe_rows) = (table.rows(), probe.num_rows());
        let row_bytes =
            table.reserved() / build_rows.max(1) + content_bytes(probe) / probe_rows.max(1);
        if spec.filter.is_none() {
            // One row of the other side says of a row all that there is to say.
            if spec.only_marks_build_rows() {
                probe_rows = probe_rows.min(1);
            }
            if spec.only_marks_probe_rows() {
                build_rows = build_rows.min(1);
            }
        }
        let by_build = probe_rows >= build_rows;
        let (outer, inner) = match by_build {
            true => (build_rows, probe_rows),
            false => (probe_rows, build_rows),
        };
        let most = (BLOCK_BYTES / row_bytes.max(1)).clamp(1, spec.batch_size.max(1));
        // Pieces of one length.
        let piece = inner.div_ceil(inner.div_ceil(most).max(1));
        Self {
            by_build,
            outer,
            inner,
            group: match piece < WORTH_A_BLOCK && copies_are_small(spec) {
                true => (most / piece.max(1)).clamp(1, outer.max(1)),
                false => 1,
            },
            most,
            with_constants: !calls_functions(spec),
            piece,
            next_outer: 0,
            next_inner: 0,
        }
    }

    /// Whether the pairs of one more block make no more than a batch of `pairs` that are there.
    pub(crate) fn has_room(&self, pairs: usize) -> bool {
        pairs + self.group * self.piece <= self.most
    }

    /// Adds the pairs of the next block that the filter lets pass. False if there is no next block.
    pub(crate) fn advance(
        &mut self,
        spec: &Spec,
        table: &Table,
        probe: &RecordBatch,
        matched: &[bool],
        pairs: &mut Pairs,
    ) -> Result<bool> {
        let Some(block) = self.next_block() else {
            return Ok(false);
        };
        if block.is_decided(spec, table, matched) {
            return Ok(true);
        }
        match &spec.filter {
            None => block.add(0..block.len(), pairs),
            Some(filter) => {
                let kept = block.kept_by(filter, table, probe, self.with_constants)?;
                let kept = match kept.nulls() {
                    Some(valid) => kept.values() & valid.inner(),
                    None => kept.values().clone(),
                };
                block.add(kept.set_indices(), pairs);
            }
        }
        Ok(true)
    }

    fn next_block(&mut self) -> Option<Block> {
        if self.next_outer >= self.outer || self.inner == 0 {
            return None;
        }
        let outer = self.next_outer..(self.next_outer + self.group).min(self.outer);
        let inner = self.next_inner..(self.next_inner + self.piece).min(self.inner);
        self.next_inner = inner.end;
        if inner.end == self.inner {
            self.next_inner = 0;
            self.next_outer = outer.end;
        }
        Some(Block {
            by_build: self.by_build,
            outer,
            inner,
        })
    }
}

/// Whether the filter reads no values that a copy of a row would have in full: texts of any length, lists.
fn copies_are_small(spec: &Spec) -> bool {
    let Some(filter) = &spec.filter else {
        return true;
    };
    let fields = filter.schema().fields().iter();
    let mut types = fields.map(|field| field.data_type());
    types.all(|data_type| {
        data_type.primitive_width().is_some()
            || matches!(
                data_type,
                DataType::Boolean | DataType::Utf8View | DataType::BinaryView | DataType::Null
            )
    })
}

/// Whether the filter calls functions: not all of them take constants alone for as many rows as there are.
fn calls_functions(spec: &Spec) -> bool {
    let Some(filter) = &spec.filter else {
        return false;
    };
    let found = filter.expression().exists(|part| {
        let is_plain = part.is::<Column>()
            || part.is::<Literal>()
            || part.is::<BinaryExpr>()
            || part.is::<CastExpr>()
            || part.is::<NotExpr>()
            || part.is::<NegativeExpr>()
            || part.is::<IsNullExpr>()
            || part.is::<IsNotNullExpr>()
            || part.is::<LikeExpr>()
            || part.is::<CaseExpr>()
            || part.is::<InListExpr>();
        Ok(!is_plain)
    });
    found.unwrap_or(true)
}

struct Block {
    by_build: bool,
    outer: Range<usize>,
    inner: Range<usize>,
}

impl Block {
    fn len(&self) -> usize {
        self.outer.len() * self.inner.len()
    }

    /// Whether all its rows of which something is asked were matched before.
    fn is_decided(&self, spec: &Spec, table: &Table, matched: &[bool]) -> bool {
        let (build, probe) = match self.by_build {
            true => (&self.outer, &self.inner),
            false => (&self.inner, &self.outer),
        };
        // Without a filter all rows of a block are matched at once.
        let some = |rows: &Range<usize>| match &spec.filter {
            None => rows.start..rows.start + 1,
            Some(_) => rows.clone(),
        };
        (spec.only_marks_build_rows() && some(build).all(|row| table.is_flagged(row)))
            || (spec.only_marks_probe_rows() && some(probe).all(|row| matched[row]))
    }

    /// For each pair of the block, outer row by outer row, whether the filter lets it pass.
    fn kept_by(
        &self,
        filter: &JoinFilter,
        table: &Table,
        probe: &RecordBatch,
        with_constants: bool,
    ) -> Result<BooleanArray> {
        let columns = filter.column_indices().iter().map(|column| {
            let (array, is_build) = match column.side {
                JoinSide::Left => (table.batch.column(column.index), true),
                JoinSide::Right => (probe.column(column.index), false),
                JoinSide::None => return internal_err!("a join's filter has no mark column"),
            };
            Ok((array, is_build == self.by_build))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let kept = match self.outer.len() {
            1 if with_constants => self.evaluate_with_constants(filter, &columns)?,
            _ => self.evaluate(filter, &columns)?,
        };
        Ok(kept.into_array(self.len())?.as_boolean().clone())
    }

    /// The filter over the inner rows, with the values of the only outer row in it.
    fn evaluate_with_constants(
        &self,
        filter: &JoinFilter,
        columns: &[(&ArrayRef, bool)],
    ) -> Result<ColumnarValue> {
        let row = self.outer.start;
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        let mut places = Vec::with_capacity(columns.len());
        for (field, (array, is_outer)) in filter.schema().fields().iter().zip(columns) {
            places.push(arrays.len());
            if !is_outer {
                fields.push(Arc::clone(field));
                arrays.push(array.slice(self.inner.start, self.inner.len()));
            }
        }
        let filled = Arc::clone(filter.expression()).transform_up(|part| {
            let Some(column) = part.downcast_ref::<Column>() else {
                return Ok(Transformed::no(part));
            };
            let (array, is_outer) = columns[column.index()];
            let part: Arc<dyn PhysicalExpr> = match is_outer {
                true => Arc::new(Literal::new(ScalarValue::try_from_array(array, row)?)),
                false => Arc::new(Column::new(column.name(), places[column.index()])),
            };
            Ok(Transformed::yes(part))
        });
        let schema = Arc::new(Schema::new(fields));
        let batch = with_rows(&schema, arrays, self.inner.len())?;
        filled.data()?.evaluate(&batch)
    }

    /// The filter over all pairs, each a row of its own.
    fn evaluate(
        &self,
        filter: &JoinFilter,
        columns: &[(&ArrayRef, bool)],
    ) -> Result<ColumnarValue> {
        let (outer, inner) = (self.outer.clone(), self.inner.clone());
        let repeated = |row: usize| std::iter::repeat_n(row as u32, inner.len());
        let outer_rows = UInt32Array::from_iter_values(outer.clone().flat_map(repeated));
        let inner_rows = outer.flat_map(|_| inner.clone()).map(|row| row as u32);
        let inner_rows = UInt32Array::from_iter_values(inner_rows);
        let arrays = columns.iter().map(|(array, is_outer)| match is_outer {
            true => take(array, &outer_rows, None),
            false => take(array, &inner_rows, None),
        });
        let arrays = arrays.collect::<std::result::Result<_, _>>()?;
        let batch = with_rows(filter.schema(), arrays, self.len())?;
        filter.expression().evaluate(&batch)
    }

    fn add(&self, kept: impl Iterator<Item = usize>, pairs: &mut Pairs) {
        let (outer, inner) = match self.by_build {
            true => (&mut pairs.build, &mut pairs.probe),
            false => (&mut pairs.probe, &mut pairs.build),
        };
        let length = self.inner.len();
        for position in kept {
            let (row, offset) = match self.outer.len() {
                1 => (0, position),
                _ => (position / length, position % length),
            };
            outer.push((self.outer.start + row) as u32);
            inner.push((self.inner.start + offset) as u32);
        }
    }
}
