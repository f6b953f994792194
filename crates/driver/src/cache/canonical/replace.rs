//! Something else in the place of subtrees that are known.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion, TreeNodeRewriter};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};

use super::Canonical;
use super::walk::{Subtree, subtrees};
use crate::hints::hinted;

/// The plan with each of its largest subtrees that `find` knows replaced by what it answers, from the root down,
/// in subqueries and below EXPLAIN too. A subtree that was replaced is not gone into, and one with columns of a
/// query around it is not asked for. The columns keep their names.
///
/// # Errors
/// If an answer has another number of columns than the subtree, or the plan does not fit together any more,
/// which it does if the columns have the same types.
pub(crate) fn replace_known(
    plan: LogicalPlan,
    find: &mut dyn FnMut(&Canonical, &LogicalPlan) -> Option<LogicalPlan>,
) -> Result<LogicalPlan> {
    let mut replacing = Replacing {
        subtrees: subtrees(&plan),
        next: 0,
        replaced: 0,
        before: Vec::new(),
        find,
    };
    let plan = plan.rewrite_with_subqueries(&mut replacing)?;
    Ok(plan.data)
}

struct Replacing<'a> {
    subtrees: Vec<Subtree>,
    /// The number of the subtree whose root comes next.
    next: usize,
    /// How many have been replaced, and how many had been when each of the nodes around was come by.
    replaced: usize,
    before: Vec<usize>,
    find: &'a mut dyn FnMut(&Canonical, &LogicalPlan) -> Option<LogicalPlan>,
}

impl TreeNodeRewriter for Replacing<'_> {
    type Node = LogicalPlan;

    fn f_down(&mut self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let subtree = match self.subtrees.get(self.next) {
            Some(subtree) if Arc::ptr_eq(&subtree.schema, plan.schema()) => subtree,
            _ => return internal_err!("a plan is walked in two ways"),
        };
        let known = match (&subtree.canonical, &plan) {
            // The node that has it wants it back; its input is the same rows.
            (_, LogicalPlan::Subquery(_)) | (None, _) => None,
            // So is what a hint is on, which stays on what is put there.
            (_, plan) if hinted(plan).is_some() => None,
            (Some(canonical), plan) => (self.find)(canonical, plan),
        };
        let Some(known) = known else {
            self.next += 1;
            self.before.push(self.replaced);
            return Ok(Transformed::no(plan));
        };
        self.next = subtree.end;
        self.replaced += 1;
        self.before.push(self.replaced);
        let known = with_schema_of(known, plan.schema())?;
        Ok(Transformed::new(known, true, TreeNodeRecursion::Jump))
    }

    fn f_up(&mut self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match self.before.pop() {
            Some(before) if before == self.replaced => Ok(Transformed::no(plan)),
            // What was put in may know less of its columns than what was there: that they are never NULL.
            // The planner of operators wants to be told the same all the way up.
            _ => plan.recompute_schema().map(Transformed::yes),
        }
    }
}

/// The columns of `replacement` under the names, qualifiers included, that `replaced` has for them.
///
/// # Errors
/// If they are not as many.
pub(super) fn with_schema_of(replacement: LogicalPlan, replaced: &DFSchema) -> Result<LogicalPlan> {
    let columns = replacement.schema().columns();
    let names = replaced.columns();
    if columns.len() != names.len() {
        return internal_err!(
            "a plan of {} columns in the place of one of {}",
            columns.len(),
            names.len()
        );
    }
    if columns == names {
        return Ok(replacement);
    }
    let columns = columns.into_iter().zip(names);
    let columns = columns
        .map(|(column, name)| Expr::Column(column).alias_qualified(name.relation, name.name));
    Projection::try_new(columns.collect(), Arc::new(replacement)).map(LogicalPlan::Projection)
}
