//! All rows with all rows: what a join without keys looks at.

use std::ops::Range;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::physical_plan::joins::utils::JoinFilter;

use super::gather::Pairs;
use super::spec::Spec;
use super::table::Table;
use crate::batches::{content_bytes, with_rows};

/// What the rows of a block may come to, in bytes.
const BLOCK_BYTES: usize = 8 << 20;

/// A batch of probe rows on its way through a table of build rows, block by block.
///
/// A block is some rows of one side, the *outer*, each with a range of rows of the other, the *inner*. The inner side
/// is the one with more rows, so that a block is mostly one row with a slice of a column, of which nothing is copied.
pub(crate) struct Crossing {
    /// Whether the build rows are the outer ones.
    by_build: bool,
    /// How many rows of each side are looked at.
    outer: usize,
    inner: usize,
    /// Outer rows in a block, and inner ones.
    group: usize,
    piece: usize,
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
        let piece = inner.min(most);
        Self {
            by_build,
            outer,
            inner,
            group: (most / piece.max(1)).clamp(1, outer.max(1)),
            piece,
            next_outer: 0,
            next_inner: 0,
        }
    }

    /// The most pairs that a block has.
    pub(crate) fn largest_block(&self) -> usize {
        self.group * self.piece
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
        loop {
            let Some(block) = self.next_block() else {
                return Ok(false);
            };
            if block.is_decided(spec, table, matched) {
                continue;
            }
            match &spec.filter {
                None => block.add(0..block.len(), pairs),
                Some(filter) => {
                    let kept = block.kept_by(filter, table, probe)?;
                    let kept = match kept.nulls() {
                        Some(valid) => kept.values() & valid.inner(),
                        None => kept.values().clone(),
                    };
                    block.add(kept.set_indices(), pairs);
                }
            }
            return Ok(true);
        }
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

struct Block {
    by_build: bool,
    outer: Range<usize>,
    inner: Range<usize>,
}

impl Block {
    fn len(&self) -> usize {
        self.outer.len() * self.inner.len()
    }

    /// Whether its only outer row was matched before, and nothing else is asked of it.
    fn is_decided(&self, spec: &Spec, table: &Table, matched: &[bool]) -> bool {
        if self.outer.len() > 1 {
            return false;
        }
        match self.by_build {
            true => spec.only_marks_build_rows() && table.is_flagged(self.outer.start),
            false => spec.only_marks_probe_rows() && matched[self.outer.start],
        }
    }

    /// For each pair of the block, outer row by outer row, whether the filter lets it pass.
    fn kept_by(
        &self,
        filter: &JoinFilter,
        table: &Table,
        probe: &RecordBatch,
    ) -> Result<BooleanArray> {
        let rows = Rows::of(self);
        let columns = filter.column_indices().iter().map(|column| {
            let (array, is_build) = match column.side {
                JoinSide::Left => (table.batch.column(column.index), true),
                JoinSide::Right => (probe.column(column.index), false),
                JoinSide::None => return internal_err!("a join's filter has no mark column"),
            };
            rows.of_column(array, is_build == self.by_build)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let batch = with_rows(filter.schema(), columns, self.len())?;
        let kept = filter.expression().evaluate(&batch)?;
        Ok(kept.into_array(self.len())?.as_boolean().clone())
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

/// Which rows of both sides the pairs of a block are.
struct Rows {
    outer: UInt32Array,
    inner: Inner,
}

enum Inner {
    /// As they lie in their column.
    Slice(Range<usize>),
    /// The same ones again and again.
    Repeated(UInt32Array),
}

impl Rows {
    fn of(block: &Block) -> Self {
        let (outer, inner) = (&block.outer, &block.inner);
        let repeated = |row: usize| std::iter::repeat_n(row as u32, inner.len());
        Self {
            outer: outer.clone().flat_map(repeated).collect::<Vec<_>>().into(),
            inner: match outer.len() {
                1 => Inner::Slice(inner.clone()),
                _ => {
                    let rows = outer.clone().flat_map(|_| inner.clone());
                    Inner::Repeated(rows.map(|row| row as u32).collect::<Vec<_>>().into())
                }
            },
        }
    }

    fn of_column(&self, column: &ArrayRef, is_outer: bool) -> Result<ArrayRef> {
        Ok(match (&self.inner, is_outer) {
            (_, true) => take(column, &self.outer, None)?,
            (Inner::Slice(rows), false) => column.slice(rows.start, rows.len()),
            (Inner::Repeated(rows), false) => take(column, rows, None)?,
        })
    }
}
