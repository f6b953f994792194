//! Expressions over the results of other nodes: aggregates and windows become columns.

use std::collections::HashMap;

use datafusion::common::Column as PlanColumn;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;

use crate::error::Error;

/// The expression over the columns that a window node gives.
///
/// # Errors
/// If the expression is nested too deeply.
pub(super) fn replace_windows(expr: Expr) -> Result<Expr, Error> {
    Ok(expr
        .transform_down(|expr| {
            Ok(match expr {
                Expr::WindowFunction(_) => Transformed::new(
                    Expr::Column(PlanColumn::new_unqualified(expr.schema_name().to_string())),
                    true,
                    TreeNodeRecursion::Jump,
                ),
                other => Transformed::no(other),
            })
        })
        .data()?)
}

/// The expression with each of these parts replaced by the column it became.
///
/// # Errors
/// If the expression is nested too deeply.
pub(super) fn replace(expr: Expr, parts: &HashMap<Expr, Expr>) -> Result<Expr, Error> {
    Ok(expr
        .transform_down(|expr| {
            Ok(match parts.get(&expr) {
                Some(column) => Transformed::new(column.clone(), true, TreeNodeRecursion::Jump),
                None => Transformed::no(expr),
            })
        })
        .data()?)
}
