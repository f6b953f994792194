use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::window_state::{
    PartitionBatchState, WindowAggState, WindowFrameContext,
};
use datafusion::logical_expr::{Accumulator, PartitionEvaluator, WindowFrame};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::window::{
    PartitionBatches, PartitionWindowAggStates, PlainAggregateWindowExpr,
    SlidingAggregateWindowExpr, StandardWindowExpr, WindowEvalContext, WindowExpr,
};

use crate::window::compute::has_no_filter;

/// What is computed at once, at most: where the rows of a frame are many, their values would be more than they.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

/// One function on its way through the rows of a partition.
///
/// It does what DataFusion's `WindowExpr::evaluate_stateful` does, but for some rows at a time, and knows what it holds.
pub(crate) struct Function {
    expression: Arc<dyn WindowExpr>,
    kind: Kind,
    /// Whether the partition's first row is in all frames.
    starts_with_partition: bool,
    progress: Progress,
    arguments: Arguments,
    /// Values of rows that were not handed on yet, also of partitions before this one.
    results: VecDeque<ScalarValue>,
    result_bytes: usize,
}

/// How far it is.
enum Progress {
    Aggregate(Box<dyn Accumulator>, WindowAggState),
    Standard(Box<dyn PartitionEvaluator>, WindowAggState),
    Stock(PartitionBatches, PartitionWindowAggStates),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An aggregate over frames that only grow, or that leave rows behind.
    Aggregate {
        is_sliding: bool,
    },
    Standard,
    /// An aggregate with a filter, which its expression keeps to itself: DataFusion computes all that it can at once, and
    /// what the aggregate holds is not known.
    Stock,
}

/// What is asked of the rows that are there.
#[derive(Default)]
struct Arguments {
    values: Vec<ArrayRef>,
    order_by: Vec<ArrayRef>,
    /// Bytes of those that are no columns of the rows.
    bytes: usize,
}

impl Function {
    /// Whether there is a way to run the function.
    pub(crate) fn supports(expression: &dyn WindowExpr) -> bool {
        let expression = expression.as_any();
        aggregate(expression).is_some() || expression.is::<StandardWindowExpr>()
    }

    /// # Errors
    /// If the function cannot be made.
    pub(crate) fn new(expression: &Arc<dyn WindowExpr>) -> Result<Self> {
        let kind = match aggregate(expression.as_any()) {
            None => Kind::Standard,
            Some(_) if !has_no_filter(expression.as_ref()) => Kind::Stock,
            Some((_, is_sliding)) => Kind::Aggregate { is_sliding },
        };
        let frame = expression.get_window_frame();
        Ok(Self {
            progress: begin(expression.as_ref(), kind)?,
            expression: Arc::clone(expression),
            kind,
            starts_with_partition: frame.start_bound.is_unbounded(),
            arguments: Arguments::default(),
            results: VecDeque::new(),
            result_bytes: 0,
        })
    }

    /// Begins another partition.
    ///
    /// # Errors
    /// If the function cannot be made.
    pub(crate) fn begin_anew(&mut self) -> Result<()> {
        self.arguments = Arguments::default();
        self.progress = begin(self.expression.as_ref(), self.kind)?;
        Ok(())
    }

    /// Looks at the rows that there are now.
    ///
    /// # Errors
    /// Those of the function's arguments.
    pub(crate) fn see(&mut self, rows: &RecordBatch) -> Result<()> {
        if self.kind == Kind::Stock {
            return Ok(());
        }
        let expression = &self.expression;
        let mut values = expression.evaluate_args(rows)?;
        let order_by = expression.order_by_columns(rows)?.into_iter();
        let order_by: Vec<ArrayRef> = order_by.map(|column| column.values).collect();
        let arguments = expression.expressions();
        let computed = arguments.iter().zip(&values);
        let orders = expression.order_by().iter().map(|by| &by.expr);
        let computed = computed.chain(orders.zip(&order_by));
        let bytes = computed
            .filter(|(expression, _)| !expression.is::<Column>())
            .map(|(_, array)| array.get_array_memory_size())
            .sum();
        if let Progress::Standard(evaluator, _) = &self.progress
            && (evaluator.uses_window_frame() || evaluator.include_rank())
        {
            values.extend(order_by.iter().cloned());
        }
        self.arguments = Arguments {
            values,
            order_by,
            bytes,
        };
        Ok(())
    }

    /// Computes what can be told by now, of the rows that were seen, and no more than `most` beyond what was handed on.
    ///
    /// # Errors
    /// Those of the function.
    pub(crate) fn compute(&mut self, rows: &RecordBatch, is_end: bool, most: Most) -> Result<()> {
        let before = self.results.len();
        let Self {
            expression,
            kind,
            progress,
            arguments,
            results,
            result_bytes,
            ..
        } = self;
        match progress {
            Progress::Stock(batches, states) => {
                let mut batch = PartitionBatchState::new_with_batch(rows.clone());
                batch.is_end = is_end;
                batches.insert(Vec::new(), batch);
                expression.evaluate_stateful(batches, states, &WindowEvalContext::default())?;
                if let Some(state) = states.get_mut(&Vec::new()) {
                    let state = &mut state.state;
                    for row in 0..state.out_col.len() {
                        let value = ScalarValue::try_from_array(&state.out_col, row)?;
                        *result_bytes += value.size();
                        results.push_back(value);
                    }
                    state.out_col = state.out_col.slice(0, 0);
                }
                return Ok(());
            }
            Progress::Aggregate(accumulator, state) => {
                let Some((aggregate, is_sliding)) = aggregate(expression.as_any()) else {
                    return datafusion::common::internal_err!("an aggregate became something else");
                };
                let frame = expression.get_window_frame();
                let length = rows.num_rows();
                while state.last_calculated_index < length
                    && results.len() < most.rows
                    && *result_bytes < most.bytes
                {
                    let last = state.window_frame_range.clone();
                    let row = state.last_calculated_index;
                    let range = frame_of(expression.as_ref(), state, arguments, length, row)?;
                    if range.end == length && !frame.is_causal() && !is_end {
                        break;
                    }
                    let values = &arguments.values;
                    let accumulator = accumulator.as_mut();
                    let value =
                        value_of(aggregate, is_sliding, accumulator, &last, &range, values)?;
                    state.window_frame_range = range;
                    state.last_calculated_index += 1;
                    *result_bytes += value.size();
                    results.push_back(value);
                }
            }
            Progress::Standard(evaluator, state) => {
                let length = rows.num_rows();
                let by_frame = evaluator.uses_window_frame();
                let is_causal = match by_frame {
                    true => expression.get_window_frame().is_causal(),
                    false => evaluator.is_causal(),
                };
                while state.last_calculated_index < length
                    && results.len() < most.rows
                    && *result_bytes < most.bytes
                {
                    let row = state.last_calculated_index;
                    let range = match by_frame {
                        true => frame_of(expression.as_ref(), state, arguments, length, row)?,
                        false => evaluator.get_range(row, length)?,
                    };
                    if range.end == length && !is_causal && !is_end {
                        break;
                    }
                    let value = evaluator.evaluate(&arguments.values, &range)?;
                    state.window_frame_range = range;
                    state.last_calculated_index += 1;
                    *result_bytes += value.size();
                    results.push_back(value);
                }
            }
        }
        debug_assert!(*kind != Kind::Stock);
        if self.starts_with_partition && !is_end {
            self.let_go_of_the_start(before)?;
        }
        Ok(())
    }

    /// Frames that begin with the partition's first row need not its rows: what they come to is kept.
    fn let_go_of_the_start(&mut self, results_before: usize) -> Result<()> {
        match &mut self.progress {
            Progress::Aggregate(_, state) => {
                // One row of the frame stays, so that it does not seem to be empty.
                state.window_frame_range.start = state.window_frame_range.end.saturating_sub(1);
            }
            Progress::Standard(evaluator, state) if evaluator.uses_window_frame() => {
                let new = self.results.range(results_before..);
                if new.len() > 0 {
                    state.out_col = ScalarValue::iter_to_array(new.cloned())?;
                }
                evaluator.memoize(state)?;
                state.out_col = state.out_col.slice(0, 0);
            }
            _ => {}
        }
        Ok(())
    }

    fn state(&self) -> Option<&WindowAggState> {
        match &self.progress {
            Progress::Aggregate(_, state) | Progress::Standard(_, state) => Some(state),
            Progress::Stock(_, states) => states.get(&Vec::new()).map(|state| &state.state),
        }
    }

    /// Rows of those there are that have a value.
    pub(crate) fn done(&self) -> usize {
        self.state().map_or(0, |state| state.last_calculated_index)
    }

    /// The first of the rows there are that is still needed.
    pub(crate) fn needs_from(&self) -> usize {
        self.state().map_or(0, |state| {
            state
                .window_frame_range
                .start
                .min(state.last_calculated_index)
        })
    }

    /// The first rows are gone.
    pub(crate) fn let_go_of(&mut self, rows: usize) {
        self.arguments = Arguments::default();
        match &mut self.progress {
            Progress::Aggregate(_, state) | Progress::Standard(_, state) => {
                state.prune_state(rows);
            }
            Progress::Stock(batches, states) => {
                batches.clear();
                if let Some(state) = states.get_mut(&Vec::new()) {
                    state.state.prune_state(rows);
                }
            }
        }
    }

    /// Values that were not handed on.
    pub(crate) fn ready(&self) -> usize {
        self.results.len()
    }

    /// The first of them.
    ///
    /// # Errors
    /// If there are not as many.
    pub(crate) fn take(&mut self, count: usize) -> Result<ArrayRef> {
        let taken = self.results.drain(..count).inspect(|value| {
            self.result_bytes = self.result_bytes.saturating_sub(value.size());
        });
        ScalarValue::iter_to_array(taken)
    }

    /// Bytes that the values take which were not handed on.
    pub(crate) fn result_bytes(&self) -> usize {
        self.result_bytes
    }

    /// Bytes that it holds beside the rows and those values.
    pub(crate) fn size(&self) -> usize {
        let state = match &self.progress {
            Progress::Aggregate(accumulator, _) => accumulator.size(),
            _ => 0,
        };
        state + self.arguments.bytes
    }
}

fn begin(expression: &dyn WindowExpr, kind: Kind) -> Result<Progress> {
    let state = || WindowAggState::new(expression.field()?.data_type());
    let any = expression.as_any();
    Ok(match (kind, aggregate(any)) {
        (Kind::Aggregate { is_sliding: false }, Some((aggregate, _))) => {
            Progress::Aggregate(aggregate.create_accumulator()?, state()?)
        }
        (Kind::Aggregate { is_sliding: true }, Some((aggregate, _))) => {
            Progress::Aggregate(aggregate.create_sliding_accumulator()?, state()?)
        }
        _ => match any.downcast_ref::<StandardWindowExpr>() {
            Some(standard) => {
                let evaluator = standard.get_standard_func_expr().create_evaluator()?;
                Progress::Standard(evaluator, state()?)
            }
            None => Progress::Stock(
                PartitionBatches::default(),
                PartitionWindowAggStates::default(),
            ),
        },
    })
}

/// The aggregate of an expression that is one, and whether its frames leave rows behind.
fn aggregate(expression: &dyn std::any::Any) -> Option<(&AggregateFunctionExpr, bool)> {
    let plain = expression.downcast_ref::<PlainAggregateWindowExpr>();
    let sliding = expression.downcast_ref::<SlidingAggregateWindowExpr>();
    plain
        .map(|plain| (plain.get_aggregate_expr(), false))
        .or_else(|| sliding.map(|sliding| (sliding.get_aggregate_expr(), true)))
}

/// The frame of a row among those there are.
fn frame_of(
    expression: &dyn WindowExpr,
    state: &mut WindowAggState,
    arguments: &Arguments,
    length: usize,
    row: usize,
) -> Result<Range<usize>> {
    let frame: &Arc<WindowFrame> = expression.get_window_frame();
    let context = state.window_frame_ctx.get_or_insert_with(|| {
        let options = expression.order_by().iter().map(|by| by.options).collect();
        WindowFrameContext::new(Arc::clone(frame), options)
    });
    context.calculate_range(&arguments.order_by, &state.window_frame_range, length, row)
}

/// What an aggregate comes to over a frame, after the frame of the row before.
fn value_of(
    aggregate: &AggregateFunctionExpr,
    is_sliding: bool,
    accumulator: &mut dyn Accumulator,
    last: &Range<usize>,
    range: &Range<usize>,
    values: &[ArrayRef],
) -> Result<ScalarValue> {
    let slices = |rows: Range<usize>| -> Vec<ArrayRef> {
        let slice = |array: &ArrayRef| array.slice(rows.start, rows.len());
        values.iter().map(slice).collect()
    };
    let is_empty = range.start == range.end;
    if !is_empty && range.end > last.end {
        accumulator.update_batch(&slices(last.end..range.end))?;
    }
    // Frames of a range may be empty between two that are not.
    let left = if is_empty { last.end } else { range.start };
    if is_sliding && left > last.start {
        accumulator.retract_batch(&slices(last.start..left))?;
    }
    match is_empty {
        true => aggregate.default_value(aggregate.field().data_type()),
        false => accumulator.evaluate(),
    }
}
