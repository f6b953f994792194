use std::collections::HashSet;

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF};
use parking_lot::RwLock;

/// The functions that the user gave a session.
#[derive(Default)]
pub(crate) struct UserFunctions {
    names: RwLock<HashSet<String>>,
}

impl UserFunctions {
    pub(crate) fn add(&self, function: &ScalarUDF) {
        self.names.write().insert(function.name().to_owned());
    }

    /// Whether a plan calls one.
    ///
    /// # Errors
    /// None that the plan itself does not raise.
    pub(crate) fn are_in(&self, plan: &LogicalPlan) -> Result<bool> {
        let names = self.names.read();
        if names.is_empty() {
            return Ok(false);
        }
        let is_call =
            |expr: &Expr| matches!(expr, Expr::ScalarFunction(call) if names.contains(call.name()));
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                found |= expr.exists(|expr| Ok(is_call(expr)))?;
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(found)
    }
}
