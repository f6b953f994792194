use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, and, or,
};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Says of a `NOT IN (SELECT …)` what NULLs mean, where DataFusion does not.
///
/// DataFusion makes a join that knows NULLs of a `NOT IN` that has to hold, and a mark of one that is a part of an `OR`.
/// A mark says whether an equal value was found, and so takes `x NOT IN (NULL)`, which is unknown, for true. A subquery
/// that refers to the query around it is refused, or drops NULLs for which it has no rows. Here such a test becomes what
/// SQL means by it: nothing is there to be found, or neither side has a NULL and nothing was found.
#[derive(Debug, Default)]
pub(crate) struct NotInWithNulls;

/// DataFusion's rules for logical plans, with ours before the one that makes joins of subqueries: those of a session.
pub fn logical_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let joins = DecorrelatePredicateSubquery::new();
    let place = rules.iter().position(|rule| rule.name() == joins.name());
    rules.insert(place.unwrap_or(0), Arc::new(NotInWithNulls));
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
        let parts = parts.map(|part| match part {
            Expr::InSubquery(test) if test.subquery.outer_ref_columns.is_empty() => {
                Ok(Expr::InSubquery(test))
            }
            part => spelled_out(part, filter.input.schema(), &mut is_changed),
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

/// The condition with each `NOT IN` in it spelled out that is a part of `AND` and `OR` alone: in a WHERE, where a part
/// that is unknown counts as one that is false.
fn spelled_out(condition: Expr, schema: &DFSchema, is_changed: &mut bool) -> Result<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::And | Operator::Or) =>
        {
            let left = Box::new(spelled_out(*left, schema, is_changed)?);
            let right = Box::new(spelled_out(*right, schema, is_changed)?);
            Ok(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Expr::InSubquery(test) if test.negated => of_not_in(test, schema, is_changed),
        other => Ok(other),
    }
}

fn of_not_in(test: InSubquery, schema: &DFSchema, is_changed: &mut bool) -> Result<Expr> {
    let subquery = &test.subquery;
    let (column, field) = {
        let columns = subquery.subquery.schema().columns();
        let Some(column) = columns.into_iter().next() else {
            return Ok(Expr::InSubquery(test));
        };
        let field = subquery.subquery.schema().field(0).clone();
        (Expr::Column(column), field)
    };
    let asks_null = test.expr.nullable(schema)?;
    if !asks_null && !field.is_nullable() {
        return Ok(Expr::InSubquery(test));
    }
    *is_changed = true;
    let none = |subquery: Subquery| Expr::Exists(Exists::new(subquery, true));
    let mut holds = Vec::new();
    if asks_null {
        holds.push(test.expr.as_ref().clone().is_not_null());
    }
    if field.is_nullable() {
        let nulls = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery))
            .filter(column.is_null())?
            .build()?;
        holds.push(none(Subquery {
            subquery: Arc::new(nulls),
            ..subquery.clone()
        }));
    }
    let is_empty = asks_null.then(|| none(subquery.clone()));
    let holds = holds
        .into_iter()
        .rfold(Expr::InSubquery(test), |all, part| and(part, all));
    Ok(match is_empty {
        Some(is_empty) => or(is_empty, holds),
        None => holds,
    })
}
