use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};

/// Rows that are to be broadcast to the join above them. It does nothing to them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
struct BroadcastHint {
    input: LogicalPlan,
}

/// The rows of a plan, to be broadcast to the join above them if there is one: `functions.broadcast(df)`, or
/// `df.hint("broadcast")`. Of which joins it is heeded says Spark: of an outer join, the side that is not kept whole; of a semi
/// or anti join, the right one.
pub fn broadcast(plan: LogicalPlan) -> LogicalPlan {
    LogicalPlan::Extension(Extension {
        node: Arc::new(BroadcastHint { input: plan }),
    })
}

/// Whether it is the node of a hint.
pub(super) fn is_hint(node: &dyn UserDefinedLogicalNode) -> bool {
    node.as_any().is::<BroadcastHint>()
}

/// What a hint is on, if the plan is one.
pub(crate) fn hinted(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    let LogicalPlan::Extension(Extension { node }) = plan else {
        return None;
    };
    let hint = node.as_any().downcast_ref::<BroadcastHint>()?;
    Some(&hint.input)
}

impl UserDefinedLogicalNodeCore for BroadcastHint {
    fn name(&self) -> &str {
        "BroadcastHint"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BroadcastHint")
    }

    fn with_exprs_and_inputs(
        &self,
        _exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        match (inputs.pop(), inputs.is_empty()) {
            (Some(input), true) => Ok(Self { input }),
            _ => internal_err!("a hint has one input"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}
