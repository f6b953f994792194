use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExprRef};
use datafusion::physical_expr_common::utils::evaluate_expressions_to_arrays;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::aggregates::{
    AggregateExec, AggregateInputMode, AggregateOutputMode, PhysicalGroupBy, aggregate_expressions,
    evaluate_group_by,
};

use super::count_distinct::CountDistinct;
use crate::batches::with_rows;

/// What is aggregated by what.
pub(crate) struct Spec {
    group_by: PhysicalGroupBy,
    functions: Vec<Function>,
    /// Whether rows come, and not the states of groups.
    is_raw: bool,
    groups: SchemaRef,
    /// Whether states come of it, for another aggregate to merge.
    pub(crate) is_partial: bool,
    /// The columns of the groups, then those of the functions' states.
    pub(crate) states: SchemaRef,
    /// The columns of the result.
    pub(crate) schema: SchemaRef,
}

struct Function {
    expression: Arc<AggregateFunctionExpr>,
    arguments: Vec<PhysicalExprRef>,
    filter: Option<PhysicalExprRef>,
    /// The columns of its state.
    state: Range<usize>,
}

impl Spec {
    pub(crate) fn new(plan: &AggregateExec) -> Result<Self> {
        let input = plan.input().schema();
        let group_by = plan.group_expr().clone();
        let groups = group_by.group_schema(&input)?;
        let is_raw = plan.mode().input_mode() == AggregateInputMode::Raw;
        let is_partial = plan.mode().output_mode() == AggregateOutputMode::Partial;
        let arguments =
            aggregate_expressions(plan.aggr_expr(), plan.mode(), group_by.num_group_exprs())?;
        let mut fields = groups.fields().to_vec();
        let mut functions = Vec::with_capacity(arguments.len());
        let parts = plan.aggr_expr().iter().zip(plan.filter_expr());
        for ((expression, filter), arguments) in parts.zip(arguments) {
            let first = fields.len();
            fields.extend(expression.state_fields()?);
            functions.push(Function {
                expression: as_written(expression, is_raw),
                arguments,
                // Of states everything counts: their rows were chosen when they were made.
                filter: filter.clone().filter(|_| is_raw),
                state: first..fields.len(),
            });
        }
        Ok(Self {
            group_by,
            functions,
            is_raw,
            groups,
            is_partial,
            states: match is_partial {
                true => plan.schema(),
                false => Arc::new(Schema::new(fields)),
            },
            schema: plan.schema(),
        })
    }

    /// Whether there is a group of all rows even if there are no rows.
    pub(crate) fn has_grand_total(&self) -> bool {
        self.is_raw && self.group_by.has_grouping_set()
    }

    /// The arguments of each function, and its filter if it has one.
    fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<(Vec<ArrayRef>, Vec<ArrayRef>)>> {
        let evaluated = self.functions.iter().map(|function| {
            let arguments = evaluate_expressions_to_arrays(&function.arguments, batch)?;
            let filter = evaluate_expressions_to_arrays(&function.filter, batch)?;
            Ok((arguments, filter))
        });
        evaluated.collect()
    }

    /// The columns of a batch of states by which its rows are grouped.
    pub(crate) fn keys<'a>(&self, states: &'a RecordBatch) -> &'a [ArrayRef] {
        &states.columns()[..self.groups.fields().len()]
    }
}

/// The function itself where DataFusion has planned its reverse, since rows come in the opposite order. A state of
/// `array_agg`'s reverse has its values in one order and what they are merged by in the other; in its own order it sorts
/// them itself.
fn as_written(expression: &Arc<AggregateFunctionExpr>, is_raw: bool) -> Arc<AggregateFunctionExpr> {
    let sorts_itself = matches!(expression.fun().name(), "array_agg" | "string_agg");
    let is_mistaken = is_raw && sorts_itself && expression.is_reversed();
    let written = is_mistaken.then(|| expression.reverse_expr()).flatten();
    written.map_or_else(|| Arc::clone(expression), Arc::new)
}

/// Groups, and the states of their functions.
pub(crate) struct Table {
    spec: Arc<Spec>,
    groups: Box<dyn GroupValues>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The group of each row of the batch that is taken in.
    indices: Vec<usize>,
}

impl Table {
    pub(crate) fn new(spec: &Arc<Spec>) -> Result<Self> {
        let accumulators = spec.functions.iter().map(Function::accumulator);
        Ok(Self {
            spec: Arc::clone(spec),
            groups: new_group_values(Arc::clone(&spec.groups), &GroupOrdering::None)?,
            accumulators: accumulators.collect::<Result<_>>()?,
            indices: Vec::new(),
        })
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        let states: usize = self.accumulators.iter().map(|states| states.size()).sum();
        self.groups.size() + states + self.indices.capacity() * size_of::<usize>()
    }

    /// Takes in a batch of the operator's input.
    pub(crate) fn take_in(&mut self, batch: &RecordBatch) -> Result<()> {
        let spec = Arc::clone(&self.spec);
        if !spec.is_raw {
            let keys = evaluate_group_by(&spec.group_by, batch)?;
            for keys in keys {
                self.groups.intern(&keys, &mut self.indices)?;
                self.merge(|function| evaluate_expressions_to_arrays(&function.arguments, batch))?;
            }
            return Ok(());
        }
        let evaluated = spec.evaluate(batch)?;
        // More than one for ROLLUP and its like: each row is in several groups.
        for keys in evaluate_group_by(&spec.group_by, batch)? {
            self.groups.intern(&keys, &mut self.indices)?;
            let groups = self.groups.len();
            for (states, (arguments, filter)) in self.accumulators.iter_mut().zip(&evaluated) {
                let filter = filter.first().map(|filter| filter.as_boolean());
                states.update_batch(arguments, &self.indices, filter, groups)?;
            }
        }
        Ok(())
    }

    /// Whether states can be made of rows one by one.
    pub(crate) fn can_convert(&self) -> bool {
        self.spec.group_by.is_single()
    }

    /// The rows of the operator's input as states of groups of one row each.
    pub(crate) fn converted(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let evaluated = self.spec.evaluate(batch)?;
        let keys = evaluate_group_by(&self.spec.group_by, batch)?;
        let mut columns: Vec<ArrayRef> = keys.into_iter().next().unwrap_or_default();
        for (states, (arguments, filter)) in self.accumulators.iter().zip(&evaluated) {
            let filter = filter.first().map(|filter| filter.as_boolean());
            columns.extend(states.convert_to_state(arguments, filter)?);
        }
        with_rows(&self.spec.states, columns, batch.num_rows())
    }

    /// Takes in states as [`take_states`](Self::take_states) gives them.
    pub(crate) fn take_in_states(&mut self, states: &RecordBatch) -> Result<()> {
        let keys = self.spec.keys(states);
        self.groups.intern(keys, &mut self.indices)?;
        self.merge(|function| Ok(states.columns()[function.state.clone()].to_vec()))
    }

    fn merge(&mut self, state_of: impl Fn(&Function) -> Result<Vec<ArrayRef>>) -> Result<()> {
        let groups = self.groups.len();
        for (states, function) in self.accumulators.iter_mut().zip(&self.spec.functions) {
            states.merge_batch(&state_of(function)?, &self.indices, groups)?;
        }
        Ok(())
    }

    /// The states of all groups, after which the table has none.
    pub(crate) fn take_states(&mut self) -> Result<RecordBatch> {
        let rows = self.groups.len();
        if rows == 0 {
            // Some functions have no state of no groups.
            return Ok(RecordBatch::new_empty(Arc::clone(&self.spec.states)));
        }
        let mut columns = self.groups.emit(EmitTo::All)?;
        for states in &mut self.accumulators {
            columns.extend(states.state(EmitTo::All)?);
        }
        self.forget_groups()?;
        with_rows(&self.spec.states, columns, rows)
    }

    /// What was emitted is gone by now, but not all of what it was found by.
    fn forget_groups(&mut self) -> Result<()> {
        self.groups = new_group_values(Arc::clone(&self.spec.groups), &GroupOrdering::None)?;
        self.forget_batch();
        Ok(())
    }

    /// Frees what was needed for the latest batch alone.
    pub(crate) fn forget_batch(&mut self) {
        self.indices = Vec::new();
    }

    /// The result for all groups, after which the table has none.
    pub(crate) fn take_values(&mut self) -> Result<RecordBatch> {
        let rows = self.groups.len();
        if rows == 0 {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.spec.schema)));
        }
        let mut columns = self.groups.emit(EmitTo::All)?;
        // What tells grouping sets apart is not among the columns of the result.
        columns.truncate(self.spec.schema.fields().len() - self.accumulators.len());
        for states in &mut self.accumulators {
            columns.push(states.evaluate(EmitTo::All)?);
        }
        self.forget_groups()?;
        with_rows(&self.spec.schema, columns, rows)
    }
}

impl Function {
    fn accumulator(&self) -> Result<Box<dyn GroupsAccumulator>> {
        // The vectorized form of `bit_xor` does not know of DISTINCT, and has other states than the function says.
        let is_mistaken =
            self.expression.is_distinct() && self.expression.fun().name() == "bit_xor";
        if self.expression.groups_accumulator_supported() && !is_mistaken {
            return self.expression.create_groups_accumulator();
        }
        if let Some(count) = CountDistinct::of(&self.expression)? {
            return Ok(Box::new(count));
        }
        let expression = Arc::clone(&self.expression);
        let one = move || expression.create_accumulator();
        Ok(Box::new(GroupsAccumulatorAdapter::new(one)))
    }
}
