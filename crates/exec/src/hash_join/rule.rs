use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::exec::HybridHashJoinExec;

/// Puts [`HybridHashJoinExec`] in place of every `HashJoinExec` that is ready to run.
///
/// It has its place after the sides are chosen and the exchanges are in, and before filters are pushed into
/// scans for the last time: then the join's dynamic filter is the new join's.
#[derive(Debug)]
pub struct HybridHashJoins {
    partitions: usize,
}

impl HybridHashJoins {
    /// The rule, for joins that cut a build side which does not fit into at most `partitions` partitions
    /// (`spark.sql.shuffle.partitions`).
    pub fn new(partitions: usize) -> Self {
        Self { partitions }
    }

    /// Adds the rule to `rules`, DataFusion's own and others, at its place. It takes that of one that is
    /// there already.
    pub fn add_to(
        self,
        rules: &[Arc<dyn PhysicalOptimizerRule + Send + Sync>],
    ) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
        let mut rules: Vec<_> = rules
            .iter()
            .filter(|rule| rule.name() != NAME)
            .cloned()
            .collect();
        let requirements = EnsureRequirements::new();
        let place = rules
            .iter()
            .position(|rule| rule.name() == requirements.name());
        let place = place.map_or(rules.len(), |place| place + 1);
        rules.insert(place, Arc::new(self));
        rules
    }
}

const NAME: &str = "HybridHashJoins";

impl PhysicalOptimizerRule for HybridHashJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut loses_order = false;
        let replaced = plan
            .transform_up(|node| {
                let Some(join) = node.downcast_ref::<HashJoinExec>() else {
                    return Ok(Transformed::no(node));
                };
                if join.mode == PartitionMode::Auto {
                    return Ok(Transformed::no(node));
                }
                loses_order |= node.output_ordering().is_some();
                let hybrid = HybridHashJoinExec::new(join, self.partitions)?;
                Ok(Transformed::yes(Arc::new(hybrid) as _))
            })
            .data()?;
        match loses_order {
            // Who relied on the order of the probe side gets a sort.
            true => EnsureRequirements::new().optimize(replaced, config),
            false => Ok(replaced),
        }
    }

    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}
