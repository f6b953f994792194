use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, NullArray};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::utils::evaluate_partition_ranges;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{Accumulator, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr,
};

use crate::batches::{bytes_of, concat_by_column, largest_column, select, with_rows};
use crate::spill::Run;

/// Bytes that the values of a partition on disk may take beyond what there is.
const FEW: usize = 64 << 10;

/// Bytes of values that all rows of a piece have a copy of.
const PIECE_BYTES: usize = 4 << 20;

/// The functions of an operator, and the rows that come of them.
pub(crate) struct Functions {
    pub(crate) expressions: Vec<Arc<dyn WindowExpr>>,
    pub(crate) input: SchemaRef,
    /// The columns of the input, and one for each function.
    pub(crate) schema: SchemaRef,
    /// What partitions are told apart by.
    pub(crate) partition_by: Vec<PhysicalSortExpr>,
    pub(crate) batch_size: usize,
}

/// What a function comes to over one partition.
pub(crate) enum Value {
    /// The same for all rows.
    Constant(ScalarValue),
    Column(ArrayRef),
}

impl Functions {
    /// Where partitions begin and end in a batch.
    pub(crate) fn ranges(&self, batch: &RecordBatch) -> Result<Vec<Range<usize>>> {
        let keys = self.partition_by.iter();
        let keys = keys.map(|key| key.evaluate_to_sort_column(batch));
        evaluate_partition_ranges(batch.num_rows(), &keys.collect::<Result<Vec<_>>>()?)
    }

    /// Rows of complete partitions, with what the functions come to.
    pub(crate) fn of_partitions(
        &self,
        batch: &RecordBatch,
        ranges: &[Range<usize>],
    ) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        for expression in &self.expressions {
            let parts = ranges
                .iter()
                .map(|range| expression.evaluate(&batch.slice(range.start, range.len())));
            let parts = parts.collect::<Result<Vec<_>>>()?;
            columns.push(match parts.as_slice() {
                [only] => Arc::clone(only),
                several => concat(&several.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
            });
        }
        with_rows(&self.schema, columns, batch.num_rows())
    }

    /// Rows of one partition in one batch, and what each function comes to. `memory` holds the bytes of the rows and of
    /// their largest column, and comes to hold those of the result.
    pub(crate) async fn of_batches(
        &self,
        batches: Vec<RecordBatch>,
        memory: &MemoryReservation,
    ) -> Result<(RecordBatch, Vec<Value>)> {
        let batch = concat_by_column(&self.input, batches).await?;
        let mut taken = bytes_of(&batch);
        let mut values = Vec::with_capacity(self.expressions.len());
        for expression in &self.expressions {
            values.push(match one_value(expression.as_ref())? {
                Some(mut shared) => {
                    shared.update_batch(&expression.evaluate_args(&batch)?)?;
                    Value::Constant(shared.evaluate()?)
                }
                None => {
                    let column = expression.evaluate(&batch)?;
                    taken += column.get_array_memory_size();
                    Value::Column(column)
                }
            });
        }
        memory.resize(taken);
        Ok((batch, values))
    }

    /// How many rows are handed on at once: fewer than a batch where a value that each of them has a copy of is large.
    pub(crate) fn rows_at_once(&self, values: &[Value]) -> usize {
        let copied = values.iter().map(|value| match value {
            Value::Constant(value) => value.size(),
            Value::Column(_) => 0,
        });
        (PIECE_BYTES / copied.sum::<usize>().max(1)).clamp(1, self.batch_size)
    }

    /// What each function comes to over a partition on disk, and the memory that this takes.
    ///
    /// # Errors
    /// If the rows cannot be read, or there is no memory for the arguments of functions that need all of them at once.
    pub(crate) async fn of_run(
        &self,
        run: &Run,
        memory: MemoryReservation,
    ) -> Result<(Vec<Value>, MemoryReservation)> {
        let shared = self.expressions.iter();
        let shared = shared.map(|expression| one_value(expression.as_ref()));
        let mut shared = shared.collect::<Result<Vec<_>>>()?;
        let rest = self.expressions.iter().zip(&shared);
        let rest = rest.filter(|(_, shared)| shared.is_none());
        let slim = Slim::of(&self.input, rest.map(|(expression, _)| expression));
        let mut arguments = Vec::new();
        let mut held = 0;
        let mut reader = run.reader(self.batch_size);
        while let Some(batch) = reader.next().await? {
            for (shared, expression) in shared.iter_mut().zip(&self.expressions) {
                if let Some(shared) = shared {
                    let values = expression.evaluate_args(&batch)?;
                    shared.update_batch(&values)?;
                }
            }
            if let Some(slim) = &slim {
                let batch = slim.batch(&batch)?;
                held += bytes_of(&batch);
                arguments.push(batch);
            }
            let states: usize = shared.iter().flatten().map(|shared| shared.size()).sum();
            hold(&memory, held + states)?;
        }
        let arguments = match slim {
            Some(slim) => {
                let twice = memory.size() + largest_column(&arguments);
                hold(&memory, twice)?;
                Some(concat_by_column(&slim.schema, arguments).await?)
            }
            None => None,
        };
        let mut values = Vec::with_capacity(self.expressions.len());
        let mut taken = 0;
        for (expression, shared) in self.expressions.iter().zip(shared) {
            values.push(match (shared, &arguments) {
                (Some(mut shared), _) => Value::Constant(shared.evaluate()?),
                (None, Some(arguments)) => {
                    let column = expression.evaluate(arguments)?;
                    taken += column.get_array_memory_size();
                    Value::Column(column)
                }
                (None, None) => {
                    return datafusion::common::internal_err!("a window has no arguments");
                }
            });
        }
        drop(arguments);
        memory.resize(taken);
        Ok((values, memory))
    }

    /// Rows of a partition from number `first` on, with what the functions come to.
    pub(crate) fn with_values(
        &self,
        rows: RecordBatch,
        first: usize,
        values: &[Value],
    ) -> Result<RecordBatch> {
        let (_, mut columns, count) = rows.into_parts();
        for value in values {
            columns.push(match value {
                Value::Constant(value) => value.to_array_of_size(count)?,
                Value::Column(column) => column.slice(first, count),
            });
        }
        with_rows(&self.schema, columns, count)
    }
}

/// What gathers the value of an aggregate over all rows of a partition, whichever the row; `None` for other functions.
fn one_value(expression: &dyn WindowExpr) -> Result<Option<Box<dyn Accumulator>>> {
    let aggregate = expression
        .as_any()
        .downcast_ref::<PlainAggregateWindowExpr>();
    let Some(aggregate) = aggregate.filter(|aggregate| has_no_filter(*aggregate)) else {
        return Ok(None);
    };
    let frame = aggregate.get_window_frame();
    // Without an order all rows are peers.
    let are_peers = frame.units == WindowFrameUnits::Range && aggregate.order_by().is_empty();
    let reaches_the_end = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => are_peers,
        bound => bound.is_unbounded(),
    };
    let is_one = reaches_the_end(&frame.start_bound) && reaches_the_end(&frame.end_bound);
    let accumulator = || aggregate.get_aggregate_expr().create_accumulator();
    is_one.then(accumulator).transpose()
}

/// Whether all rows are aggregated. The expression does not tell its filter but to who debugs it: whatever is not known
/// to have none is taken to have one.
pub(crate) fn has_no_filter(aggregate: &dyn WindowExpr) -> bool {
    format!("{aggregate:?}").ends_with("filter: None }")
}

/// Reserves so many bytes in all; a few are taken whether there are any or not.
fn hold(memory: &MemoryReservation, bytes: usize) -> Result<()> {
    if bytes > FEW && memory.try_resize(bytes).is_err() {
        // The error of the request for what is missing.
        return memory.try_grow(bytes.saturating_sub(memory.size()));
    }
    memory.resize(bytes);
    Ok(())
}

/// The rows of a partition without the columns that no function asks for.
pub(crate) struct Slim {
    pub(crate) schema: SchemaRef,
    needed: HashSet<usize>,
}

impl Slim {
    /// `None` if there are no functions.
    pub(crate) fn of<'a>(
        input: &SchemaRef,
        mut expressions: impl Iterator<Item = &'a Arc<dyn WindowExpr>>,
    ) -> Option<Self> {
        let first = expressions.next()?;
        let mut needed = HashSet::new();
        for expression in std::iter::once(first).chain(expressions) {
            if !tells_its_columns(expression.as_ref()) {
                needed.extend(0..input.fields().len());
            }
            let parts = expression.all_expressions();
            let parts = parts.args.into_iter().chain(parts.order_by_exprs);
            needed.extend(parts.flat_map(|part| {
                let columns = collect_columns(&part).into_iter();
                columns.map(|column| column.index()).collect::<Vec<_>>()
            }));
        }
        let fields = input.fields().iter().enumerate();
        let fields = fields.map(|(column, field)| match needed.contains(&column) {
            true => Arc::clone(field),
            false => Arc::new(Field::new(field.name(), DataType::Null, true)),
        });
        Some(Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            needed,
        })
    }

    /// The rows without those columns.
    pub(crate) fn columns(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = rows.columns().iter().enumerate();
        let columns = columns.map(|(column, array)| match self.needed.contains(&column) {
            true => Arc::clone(array),
            false => Arc::new(NullArray::new(rows.num_rows())) as ArrayRef,
        });
        with_rows(&self.schema, columns.collect(), rows.num_rows())
    }

    /// The same in buffers of its own.
    fn batch(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let slim = self.columns(rows)?;
        // A copy: all columns of a batch that was read from disk share one buffer.
        let all: Vec<_> = (0..slim.num_rows()).map(|row| (0, row)).collect();
        select(&self.schema, std::slice::from_ref(&slim), &all)
    }
}

/// Whether it reads no columns but those of its arguments and its order: a filter is not among them.
fn tells_its_columns(expression: &dyn WindowExpr) -> bool {
    let any = expression.as_any();
    let is_aggregate =
        any.is::<PlainAggregateWindowExpr>() || any.is::<SlidingAggregateWindowExpr>();
    match is_aggregate {
        true => has_no_filter(expression),
        false => any.is::<StandardWindowExpr>(),
    }
}
