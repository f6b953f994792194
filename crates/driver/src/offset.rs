use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{LogicalPlan, lit};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// More rows than there are.
const ALL: i64 = i64::MAX / 2;

/// Gives `ORDER BY … OFFSET n` a limit, where it has none.
///
/// DataFusion takes a sort for unneeded below an offset without a limit when nobody above asks for order, in a subquery
/// say, and skips whichever rows come first. A sort with a limit stays.
#[derive(Debug, Default)]
pub(crate) struct OffsetsKeepOrder;

impl OptimizerRule for OffsetsKeepOrder {
    fn name(&self) -> &str {
        "offsets_keep_order"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Limit(mut limit)
                if limit.skip.is_some() && limit.fetch.is_none() && is_sorted(&limit.input) =>
            {
                limit.fetch = Some(Box::new(lit(ALL)));
                Ok(Transformed::yes(LogicalPlan::Limit(limit)))
            }
            plan => Ok(Transformed::no(plan)),
        }
    }
}

/// Whether the rows of a plan come as a sort left them.
fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_sorted(&alias.input),
        _ => false,
    }
}
