use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};

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
        collect(plan, &mut operators);
        operators
    }
}

fn collect(plan: &Arc<dyn ExecutionPlan>, operators: &mut Vec<OperatorMetrics>) {
    operators.push(OperatorMetrics {
        operator: plan.name().to_owned(),
        details: OneLine(plan.as_ref()).to_string(),
        values: plan
            .metrics()
            .map(|metrics| values(&metrics))
            .unwrap_or_default(),
    });
    for child in plan.children() {
        collect(child, operators);
    }
}

fn values(metrics: &MetricsSet) -> BTreeMap<String, u64> {
    let mut values = BTreeMap::new();
    for metric in metrics.iter() {
        let value = metric.value();
        let sum = values.entry(value.name().to_owned()).or_insert(0_u64);
        let number = value.as_usize() as u64;
        *sum = match value {
            MetricValue::Gauge { .. } => (*sum).max(number),
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
