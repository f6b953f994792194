use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use plimsoll_storage::lineage;

/// What one operator of a plan is, and what it has measured so far: a line of `EXPLAIN ANALYZE` as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorMetrics {
    /// DataFusion's name of the operator, such as `HashJoinExec`.
    pub operator: String,
    /// What `EXPLAIN` says of it, such as `HashJoinExec: mode=Partitioned, join_type=Inner, on=[…]`.
    pub details: String,
    /// What it measured, by name: times in nanoseconds, sizes in bytes. Counts and times are the sum over
    /// its partitions, gauges the largest.
    pub values: BTreeMap<String, u64>,
}

impl OperatorMetrics {
    /// The operators of a plan, from its root down.
    pub fn of_plan(plan: &Arc<dyn ExecutionPlan>) -> Vec<Self> {
        let mut operators = Vec::new();
        visit(plan, &mut |node| operators.push(Self::of(node)));
        operators
    }

    fn of(node: &Arc<dyn ExecutionPlan>) -> Self {
        OperatorMetrics {
            operator: node.name().to_owned(),
            details: OneLine(node.as_ref()).to_string(),
            values: node
                .metrics()
                .map(|metrics| values(&metrics))
                .unwrap_or_default(),
        }
    }
}

fn values(metrics: &MetricsSet) -> BTreeMap<String, u64> {
    let mut values = BTreeMap::new();
    for metric in metrics.iter() {
        let value = metric.value();
        let sum = values.entry(value.name().to_owned()).or_insert(0_u64);
        let number = value.as_usize() as u64;
        *sum = match value {
            // Those of our own that are of no kind that DataFusion has are gauges too.
            MetricValue::Gauge { .. } | MetricValue::Custom { .. } => (*sum).max(number),
            _ => sum.saturating_add(number),
        };
    }
    values
}

struct OneLine<'a>(&'a dyn ExecutionPlan);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DisplayAs::fmt_as(self.0, DisplayFormatType::Default, f)
    }
}

/// Visits the operators of a plan, and of what computes the cached rows that it reads and that are not there.
pub(crate) fn visit(plan: &Arc<dyn ExecutionPlan>, act: &mut impl FnMut(&Arc<dyn ExecutionPlan>)) {
    act(plan);
    for child in plan.children().into_iter().chain(lineage(plan)) {
        visit(child, act);
    }
}
