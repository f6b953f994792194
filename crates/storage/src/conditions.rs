//! Conditions that a scan evaluates itself, so that of rows that fail one nothing more is made.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatchOptions};
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, internal_datafusion_err};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, conjunction, create_physical_expr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::Statistics;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::statistics::StatisticsArgs;

use crate::columns::Columns;
use crate::select::Selection;

/// What a value costs to compare that is no number, beside bytes of one that is.
const TEXT: usize = 64;

/// Whether a scan may evaluate the condition itself, on more rows than are left and in another order: it compares columns and
/// constants, so it is cheap, cannot fail for one row and not for another, and answers the same each time.
pub(crate) fn is_simple(condition: &Expr) -> bool {
    let mut simple = true;
    let visited = condition.apply(|node| {
        simple &= match node {
            Expr::Column(_)
            | Expr::Literal(..)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::InList(_) => true,
            Expr::Like(like) => matches!(*like.pattern, Expr::Literal(..)),
            Expr::BinaryExpr(binary) => compares(binary.op),
            _ => false,
        };
        Ok(match simple {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    });
    simple && visited.is_ok()
}

fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::And
            | Operator::Or
            | Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// Conditions on the rows of a dataset, all of which a row has to fulfil.
pub(crate) struct Conditions {
    /// Those that cost least first.
    terms: Vec<Term>,
    /// All of them, on the dataset's columns.
    whole: Arc<dyn PhysicalExpr>,
    /// What they leave, as a plan would have it that evaluates them apart.
    estimate: FilterExec,
}

/// Conditions on the same columns.
struct Term {
    /// The columns, by their places in the dataset.
    columns: Vec<usize>,
    schema: SchemaRef,
    conditions: Vec<Arc<dyn PhysicalExpr>>,
}

impl Conditions {
    /// The conditions on columns of `schema`; `None` if there are none.
    ///
    /// # Errors
    /// If one of them cannot be planned.
    pub(crate) fn new(
        conditions: &[&Expr],
        schema: &SchemaRef,
        props: &ExecutionProps,
    ) -> Result<Option<Self>> {
        if conditions.is_empty() {
            return Ok(None);
        }
        let named = DFSchema::try_from(Arc::clone(schema))?;
        let mut terms: Vec<Term> = Vec::new();
        let mut all = Vec::new();
        for condition in conditions.iter().flat_map(|all| split_conjunction(all)) {
            let condition = create_physical_expr(condition, &named, props, &Default::default())?;
            let mut columns: Vec<usize> = collect_columns(&condition)
                .iter()
                .map(|column| column.index())
                .collect();
            columns.sort_unstable();
            all.push(Arc::clone(&condition));
            let alike = terms.iter_mut().find(|term| term.columns == columns);
            match alike {
                Some(term) => term.add(condition)?,
                None => {
                    let mut term = Term {
                        schema: Arc::new(schema.project(&columns)?),
                        columns,
                        conditions: Vec::new(),
                    };
                    term.add(condition)?;
                    terms.push(term);
                }
            }
        }
        terms.sort_by_key(Term::cost);
        let whole = conjunction(all);
        let input = Arc::new(EmptyExec::new(Arc::clone(schema)));
        let estimate = FilterExec::try_new(Arc::clone(&whole), input)?;
        Ok(Some(Self {
            terms,
            whole,
            estimate,
        }))
    }

    /// All of them as one, on the dataset's columns.
    pub(crate) fn whole(&self) -> &Arc<dyn PhysicalExpr> {
        &self.whole
    }

    /// The columns that they are about, by their places in the dataset.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        self.terms
            .iter()
            .flat_map(|term| term.columns.iter().copied())
    }

    /// The rows of a block that fulfil them, of so many.
    ///
    /// # Errors
    /// If a column is not what was written.
    pub(crate) fn select(&self, columns: &mut Columns, rows: usize) -> Result<Selection> {
        let mut selection = Selection::All(rows);
        for term in &self.terms {
            if selection.count() == 0 {
                break;
            }
            let kept = term.evaluate(columns, &selection)?;
            selection = selection.and(kept)?;
        }
        Ok(selection)
    }

    /// What is left of rows of these statistics, which are of all the dataset's columns.
    ///
    /// # Errors
    /// If the conditions cannot be analysed.
    pub(crate) fn estimate(
        &self,
        rows: Statistics,
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.estimate
            .statistics_from_inputs(&[Arc::new(rows)], args)
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt(f)
    }
}

impl Term {
    fn add(&mut self, condition: Arc<dyn PhysicalExpr>) -> Result<()> {
        let condition = reassign_expr_columns(condition, &self.schema)?;
        self.conditions.push(condition);
        Ok(())
    }

    /// About how many bytes it looks at for a row.
    fn cost(&self) -> usize {
        let width = |data_type: &DataType| match data_type {
            DataType::Boolean => 1,
            other => other.primitive_width().unwrap_or(TEXT),
        };
        let fields = self.schema.fields().iter();
        fields.map(|field| width(field.data_type())).sum()
    }

    /// Which rows it keeps, of those that are looked at; what is unknown is not kept.
    fn evaluate(&self, columns: &mut Columns, selection: &Selection) -> Result<BooleanArray> {
        let arrays = self.columns.iter();
        let arrays = arrays.map(|at| columns.looked_at(*at, selection));
        let rows = selection.looked_at();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        let mut kept: Option<BooleanArray> = None;
        for condition in &self.conditions {
            let more = condition.evaluate(&batch)?.into_array(rows)?;
            let more = more.as_boolean_opt().ok_or_else(|| {
                internal_datafusion_err!("a condition on a cached table is no condition")
            })?;
            let more = match more.null_count() {
                0 => more.clone(),
                _ => prep_null_mask_filter(more),
            };
            kept = Some(match kept {
                Some(kept) => BooleanArray::from(kept.values() & more.values()),
                None => more,
            });
        }
        kept.ok_or_else(|| internal_datafusion_err!("a term without conditions"))
    }
}
