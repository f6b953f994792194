//! What operators that stand for one of DataFusion's have in common.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};

/// The methods of an `ExecutionPlan` that are those of the operator in the field `$stock`, which it stands for.
macro_rules! as_stock {
    ($stock:ident) => {
        fn properties(&self) -> &std::sync::Arc<datafusion::physical_plan::PlanProperties> {
            self.$stock.properties()
        }

        fn required_input_distribution(&self) -> Vec<datafusion::physical_plan::Distribution> {
            self.input_distribution_requirements().into_per_child()
        }

        fn input_distribution_requirements(
            &self,
        ) -> datafusion::physical_plan::InputDistributionRequirements {
            self.$stock.input_distribution_requirements()
        }

        fn required_input_ordering(
            &self,
        ) -> Vec<Option<datafusion::physical_expr::OrderingRequirements>> {
            self.$stock.required_input_ordering()
        }

        fn maintains_input_order(&self) -> Vec<bool> {
            self.$stock.maintains_input_order()
        }

        fn children(&self) -> Vec<&std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
            self.$stock.children()
        }

        fn apply_expressions(
            &self,
            f: &mut dyn FnMut(
                &std::sync::Arc<dyn datafusion::physical_expr::PhysicalExpr>,
            ) -> datafusion::common::Result<
                datafusion::common::tree_node::TreeNodeRecursion,
            >,
        ) -> datafusion::common::Result<datafusion::common::tree_node::TreeNodeRecursion> {
            self.$stock.apply_expressions(f)
        }

        fn with_new_children(
            self: std::sync::Arc<Self>,
            children: Vec<std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>>,
        ) -> datafusion::common::Result<
            std::sync::Arc<dyn datafusion::physical_plan::ExecutionPlan>,
        > {
            let mode = datafusion::physical_plan::ChildrenPropertiesMode::Recompute;
            let options = datafusion::physical_plan::ReplaceChildrenOptions::new(mode);
            self.replace_children(children, options)
        }

        fn metrics(&self) -> Option<datafusion::physical_plan::metrics::MetricsSet> {
            Some(self.metrics.clone_inner())
        }

        fn child_stats_requests(
            &self,
            partition: Option<usize>,
        ) -> Vec<datafusion::physical_plan::statistics::ChildStats> {
            self.$stock.child_stats_requests(partition)
        }

        fn statistics_from_inputs(
            &self,
            inputs: &[std::sync::Arc<datafusion::common::Statistics>],
            args: &datafusion::physical_plan::statistics::StatisticsArgs,
        ) -> datafusion::common::Result<std::sync::Arc<datafusion::common::Statistics>> {
            self.$stock.statistics_from_inputs(inputs, args)
        }
    };
}
pub(crate) use as_stock;

/// Puts what `ours` makes of an operator in its place, everywhere in a plan.
pub(crate) fn replace<P: ExecutionPlan>(
    plan: Arc<dyn ExecutionPlan>,
    ours: impl Fn(&Arc<dyn ExecutionPlan>) -> Result<Option<P>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        Ok(match ours(&node)? {
            Some(operator) => Transformed::yes(Arc::new(operator) as _),
            None => Transformed::no(node),
        })
    })
    .data()
}

/// Writes what `stock` says of itself, under the name of what stands for it.
pub(crate) fn described(
    f: &mut fmt::Formatter<'_>,
    stock: &dyn DisplayAs,
    format: DisplayFormatType,
    stock_name: &str,
    name: &str,
) -> fmt::Result {
    struct Described<'a>(&'a dyn DisplayAs, DisplayFormatType);
    impl fmt::Display for Described<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt_as(self.1, f)
        }
    }
    let described = Described(stock, format).to_string();
    match described.strip_prefix(stock_name) {
        Some(rest) => write!(f, "{name}{rest}"),
        // A tree names no operators.
        None => f.write_str(&described),
    }
}
