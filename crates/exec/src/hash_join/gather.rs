//! From row numbers to rows of the result.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array, new_null_array};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::physical_plan::joins::utils::ColumnIndex;

use super::spec::{Report, Spec};
use super::table::Table;
use crate::batches::{with_few_buffers, with_rows};

/// Pairs of build and probe rows that match.
#[derive(Default)]
pub(crate) struct Pairs {
    /// The tables of the build rows: from which pair on it is which table.
    pub(crate) tables: Vec<(usize, usize)>,
    pub(crate) build: Vec<u32>,
    pub(crate) probe: Vec<u32>,
}

impl Pairs {
    pub(crate) fn with_capacity(pairs: usize) -> Self {
        Self {
            tables: Vec::new(),
            build: Vec::with_capacity(pairs),
            probe: Vec::with_capacity(pairs),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.tables.clear();
        self.build.clear();
        self.probe.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.build.len()
    }

    /// Each table with the pairs that are its.
    pub(crate) fn by_table(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let ends = self.tables.iter().skip(1).map(|(start, _)| *start);
        let ends = ends.chain([self.len()]);
        let tables = self.tables.iter().zip(ends);
        tables.map(|((start, table), end)| (*table, *start..end))
    }

    /// Each pair's table, build row and probe row.
    fn iter(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        self.by_table().flat_map(|(table, pairs)| {
            let rows = self.build[pairs.clone()].iter().zip(&self.probe[pairs]);
            rows.map(move |(build, probe)| (table, *build, *probe))
        })
    }

    /// Keeps the pairs for which `keep` says so.
    pub(crate) fn retain(&mut self, keep: &BooleanArray) {
        let mut kept = Pairs::default();
        for (pair, (table, build, probe)) in self.iter().enumerate() {
            if keep.is_valid(pair) && keep.value(pair) {
                if kept.tables.last().is_none_or(|(_, last)| *last != table) {
                    kept.tables.push((kept.len(), table));
                }
                kept.build.push(build);
                kept.probe.push(probe);
            }
        }
        *self = kept;
    }
}

/// A batch of the pairs, with `columns` of both sides.
pub(crate) fn pairs_of(
    pairs: &Pairs,
    tables: &[Arc<Table>],
    probe: &RecordBatch,
    columns: &[ColumnIndex],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let build = BuildRows::of(pairs);
    let probe_rows = ProbeRows::of(&pairs.probe);
    let arrays = columns.iter().map(|column| match column.side {
        JoinSide::Left => build.gather(tables, column.index),
        JoinSide::Right => probe_rows.gather(probe.column(column.index)),
        JoinSide::None => internal_err!("a join of pairs has no mark column"),
    });
    with_rows(schema, arrays.collect::<Result<_>>()?, pairs.len())
}

enum BuildRows {
    OfOne(usize, UInt32Array),
    OfMany(Vec<(usize, usize)>),
}

impl BuildRows {
    fn of(pairs: &Pairs) -> Self {
        match pairs.tables.as_slice() {
            [(_, table)] => Self::OfOne(*table, UInt32Array::from(pairs.build.clone())),
            _ => Self::OfMany(
                pairs
                    .iter()
                    .map(|(table, row, _)| (table, row as usize))
                    .collect(),
            ),
        }
    }

    fn gather(&self, tables: &[Arc<Table>], column: usize) -> Result<ArrayRef> {
        Ok(with_few_buffers(match self {
            Self::OfOne(table, rows) => take(tables[*table].batch.column(column), rows, None)?,
            Self::OfMany(rows) => {
                let parts: Vec<&dyn Array> = tables
                    .iter()
                    .map(|table| table.batch.column(column).as_ref())
                    .collect();
                interleave(&parts, rows)?
            }
        }))
    }
}

enum ProbeRows {
    /// Each row once, from here on: what a join on a foreign key gives, and no copy is needed.
    Consecutive(usize, usize),
    Picked(UInt32Array),
}

impl ProbeRows {
    fn of(rows: &[u32]) -> Self {
        match rows {
            [first, ..]
                if rows
                    .iter()
                    .zip(*first..)
                    .all(|(row, expected)| *row == expected) =>
            {
                Self::Consecutive(*first as usize, rows.len())
            }
            _ => Self::Picked(UInt32Array::from(rows.to_vec())),
        }
    }

    fn gather(&self, column: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Self::Consecutive(0, rows) if *rows == column.len() => Arc::clone(column),
            Self::Consecutive(first, rows) => column.slice(*first, *rows),
            Self::Picked(rows) => with_few_buffers(take(column, rows, None)?),
        })
    }
}

/// Rows of one side, with NULLs in place of the other's: of those in `among`, the ones that `report`
/// asks for.
pub(crate) fn rows_of(
    spec: &Spec,
    side: JoinSide,
    batch: &RecordBatch,
    among: impl Iterator<Item = usize>,
    report: Report,
    is_matched: impl Fn(usize) -> bool,
) -> Result<RecordBatch> {
    let asked = |row: &usize| match report {
        Report::Matched => is_matched(*row),
        Report::Unmatched => !is_matched(*row),
        Report::Marked => true,
    };
    let rows: Vec<u32> = among.filter(asked).map(|row| row as u32).collect();
    let picked = match side {
        // Slices would keep the whole build side for as long as somebody has the rows.
        JoinSide::Left => ProbeRows::Picked(UInt32Array::from(rows.clone())),
        _ => ProbeRows::of(&rows),
    };
    let other = match side {
        JoinSide::Left => &spec.probe_schema,
        _ => &spec.build_schema,
    };
    let arrays = spec.columns.iter().map(|column| -> Result<ArrayRef> {
        if column.side == side {
            return picked.gather(batch.column(column.index));
        }
        Ok(match column.side {
            JoinSide::None => {
                let marks = rows.iter().map(|row| is_matched(*row as usize));
                Arc::new(BooleanArray::from(marks.collect::<Vec<_>>()))
            }
            _ => new_null_array(other.field(column.index).data_type(), rows.len()),
        })
    });
    with_rows(&spec.schema, arrays.collect::<Result<_>>()?, rows.len())
}
