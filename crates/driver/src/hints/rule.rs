use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Join, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::{broadcast, hinted};

/// Brings each hint up to the join that it is for, through all that has one input, and takes out those that are for none.
/// Spark's `EliminateResolvedHint`, which too comes before a plan is optimized: whatever is made of a side then stays below
/// its hint.
#[derive(Debug, Default)]
pub(crate) struct HintsOnJoins;

impl OptimizerRule for HintsOnJoins {
    fn name(&self) -> &str {
        "hints_on_joins"
    }

    /// It goes through the plan by itself, since most have no hints.
    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !has_hints(&plan)? {
            return Ok(Transformed::no(plan));
        }
        let (plan, _) = without_hints(plan)?;
        let plan = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) => on_sides(join),
            // The join that is made of a subquery finds them there.
            LogicalPlan::Subquery(_) => Ok(Transformed::no(node)),
            node if is_passed_through(&node) => Ok(Transformed::no(node)),
            node if hinted(&node).is_some() => Ok(match may_be_hinted(&node) {
                true => Transformed::no(node),
                false => Transformed::yes(without_hints(node)?.0),
            }),
            node => node.map_children(|child| {
                let (child, found) = without_hints(child)?;
                Ok(match found {
                    true => Transformed::yes(child),
                    false => Transformed::no(child),
                })
            }),
        })?;
        Ok(Transformed::yes(plan.data))
    }
}

fn has_hints(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= hinted(node).is_some();
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

fn on_sides(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let mut is_changed = false;
    for side in [&mut join.left, &mut join.right] {
        // One that is where it belongs stays there.
        let below = hinted(side).unwrap_or(side).clone();
        if let (stripped, true) = without_hints(below)? {
            *side = Arc::new(match may_be_hinted(&stripped) {
                true => broadcast(stripped),
                false => stripped,
            });
            is_changed = true;
        }
    }
    let join = LogicalPlan::Join(join);
    Ok(match is_changed {
        true => Transformed::yes(join),
        false => Transformed::no(join),
    })
}

/// Whether a hint may stay on a plan. Not on one that looks at columns of the query around it: nodes that DataFusion does not
/// know keep it from making a join of that, without which it cannot run.
fn may_be_hinted(plan: &LogicalPlan) -> bool {
    plan.all_out_ref_exprs().is_empty()
}

/// The plan without the hints on it and on what it is made of alone, and whether there were any.
fn without_hints(plan: LogicalPlan) -> Result<(LogicalPlan, bool)> {
    if let Some(input) = hinted(&plan) {
        let (input, _) = without_hints(input.clone())?;
        return Ok((input, true));
    }
    let inputs = plan.inputs();
    let ([input], true) = (inputs.as_slice(), is_passed_through(&plan)) else {
        return Ok((plan, false));
    };
    let (input, found) = without_hints((*input).clone())?;
    match found {
        true => {
            let plan = plan.with_new_exprs(plan.expressions(), vec![input])?;
            Ok((plan, true))
        }
        false => Ok((plan, false)),
    }
}

/// Whether a hint on what a node is made of is one on the node.
fn is_passed_through(plan: &LogicalPlan) -> bool {
    matches!(
        plan,
        LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Unnest(_)
    )
}
