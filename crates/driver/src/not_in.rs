use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, and, or,
};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::hints::HintsOnJoins;
use crate::offset::OffsetsKeepOrder;

/// Says of a `NOT IN (SELECT …)` what NULLs mean, where DataFusion does not.
///
/// DataFusion makes a join that knows NULLs of a `NOT IN` that has to hold, and a mark of one that is a part of an `OR`.
/// A mark says whether an equal value was found, and so takes `x NOT IN (NULL)`, which is unknown, for true. A subquery
/// that refers to the query around it is refused, or drops NULLs for which it has no rows. Here such a test becomes what
/// SQL means by it.
#[derive(Debug, Default)]
pub(crate) struct NotInWithNulls;

/// DataFusion's rules for logical plans and ours, of which one comes before that which makes joins of subqueries, and one
/// before those that push limits down: those of a session. Hints come to their joins first of all.
pub fn logical_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let joins = DecorrelatePredicateSubquery::new();
    let place = rules.iter().position(|rule| rule.name() == joins.name());
    rules.insert(place.unwrap_or(0), Arc::new(NotInWithNulls));
    rules.insert(0, Arc::new(OffsetsKeepOrder));
    rules.insert(0, Arc::new(HintsOnJoins));
    rules
}

impl OptimizerRule for NotInWithNulls {
    fn name(&self) -> &str {
        "not_in_with_nulls"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else {
            return Ok(Transformed::no(plan));
        };
        let mut is_changed = false;
        let parts = split_conjunction_owned(filter.predicate.clone()).into_iter();
        let schema = filter.input.schema();
        let parts = parts.map(|part| match unfolded(part, &mut is_changed) {
            // DataFusion's own join for these knows NULLs.
            Expr::InSubquery(test) if !has_to_be_spelled_out(&test) => Ok(Expr::InSubquery(test)),
            part => spelled_out(part, schema, &mut is_changed),
        });
        let predicate = conjunction(parts.collect::<Result<Vec<_>>>()?);
        match predicate {
            Some(predicate) if is_changed => {
                let filter = Filter::try_new(predicate, filter.input)?;
                Ok(Transformed::yes(LogicalPlan::Filter(filter)))
            }
            _ => Ok(Transformed::no(LogicalPlan::Filter(filter))),
        }
    }
}

/// `NOT (x IN (SELECT …))` as `x NOT IN (SELECT …)`.
fn unfolded(part: Expr, is_changed: &mut bool) -> Expr {
    match part {
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(test) => {
                *is_changed = true;
                let negated = !test.negated;
                Expr::InSubquery(InSubquery { negated, ..test })
            }
            inner => Expr::Not(Box::new(inner)),
        },
        part => part,
    }
}

/// Whether a `NOT IN` that has to hold is one that DataFusion refuses, or answers without regard to NULLs: its subquery
/// refers to the query around it, or nothing in that is looked for.
fn has_to_be_spelled_out(test: &InSubquery) -> bool {
    !test.subquery.outer_ref_columns.is_empty() || test.expr.column_refs().is_empty()
}

/// The condition with each `NOT IN` in it spelled out that is a part of `AND` and `OR` alone: in a WHERE, where a part
/// that is unknown counts as one that is false.
fn spelled_out(condition: Expr, schema: &DFSchema, is_changed: &mut bool) -> Result<Expr> {
    match unfolded(condition, is_changed) {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::And | Operator::Or) =>
        {
            let left = Box::new(spelled_out(*left, schema, is_changed)?);
            let right = Box::new(spelled_out(*right, schema, is_changed)?);
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Expr::InSubquery(test) if test.negated => {
            let Some(nulls) = Nulls::of(&test, schema)? else {
                return Ok(Expr::InSubquery(test));
            };
            match has_to_be_spelled_out(&test) {
                true if groups_nothing(&test.subquery.subquery) => Ok(Expr::InSubquery(test)),
                true => {
                    *is_changed = true;
                    as_one_test(test, nulls, schema)
                }
                false if nulls == Nulls::NONE => Ok(Expr::InSubquery(test)),
                false => {
                    *is_changed = true;
                    as_three_tests(test, nulls)
                }
            }
        }
        other => Ok(other),
    }
}

/// On which side of a test there may be NULLs.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Nulls {
    asked: bool,
    found: bool,
}

impl Nulls {
    const NONE: Nulls = Nulls {
        asked: false,
        found: false,
    };

    /// `None` if the subquery has no column.
    fn of(test: &InSubquery, schema: &DFSchema) -> Result<Option<Self>> {
        let subquery = test.subquery.subquery.schema();
        if subquery.fields().is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            asked: test.expr.nullable(schema)?,
            found: subquery.field(0).is_nullable(),
        }))
    }
}

/// Whether the subquery has one row whatever it reads: where it refers to the query around it, DataFusion makes groups
/// of it, of which there is none where nothing is read.
fn groups_nothing(plan: &LogicalPlan) -> bool {
    let is_one_row =
        matches!(plan, LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty());
    is_one_row || plan.inputs().into_iter().any(groups_nothing)
}

fn none(subquery: Subquery) -> Expr {
    Expr::Exists(Exists::new(subquery, true))
}

/// The rows of a subquery for which a condition on its column holds.
fn rows_where(subquery: &Subquery, condition: impl FnOnce(Expr) -> Expr) -> Result<Subquery> {
    let mut columns = subquery.subquery.schema().columns().into_iter();
    let Some(column) = columns.next() else {
        return internal_err!("a subquery of NOT IN has no column");
    };
    let plan = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery));
    let plan = plan.filter(condition(Expr::Column(column)))?.build()?;
    let mut outer_ref_columns = plan.all_out_ref_exprs();
    outer_ref_columns.extend(subquery.outer_ref_columns.iter().cloned());
    outer_ref_columns.dedup();
    Ok(Subquery {
        subquery: Arc::new(plan),
        outer_ref_columns,
        ..subquery.clone()
    })
}

/// No row of the subquery equals what is asked for, or may.
fn as_one_test(test: InSubquery, nulls: Nulls, schema: &DFSchema) -> Result<Expr> {
    let asked = test.expr.transform_up(|part| {
        Ok(match part {
            Expr::Column(column) => {
                let (_, field) = schema.qualified_field_from_column(&column)?;
                Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column))
            }
            part => Transformed::no(part),
        })
    });
    let asked = asked.data()?;
    rows_where(&test.subquery, |found| {
        let mut may_equal = found.clone().eq(asked.clone());
        if nulls.found {
            may_equal = or(may_equal, found.is_null());
        }
        if nulls.asked {
            may_equal = or(may_equal, asked.is_null());
        }
        may_equal
    })
    .map(none)
}

/// The subquery has no row; or neither what is asked for nor what is found is NULL, and nothing was found.
fn as_three_tests(test: InSubquery, nulls: Nulls) -> Result<Expr> {
    let subquery = test.subquery.clone();
    let asked = test.expr.as_ref().clone();
    let mut holds = Expr::InSubquery(test);
    if nulls.found {
        holds = and(none(rows_where(&subquery, Expr::is_null)?), holds);
    }
    if nulls.asked {
        holds = or(none(subquery), and(asked.is_not_null(), holds));
    }
    Ok(holds)
}
