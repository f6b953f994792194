//! How DataFusion's physical plans are made to keep to their memory.

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use plimsoll_exec::{
    BlockNestedLoopJoins, BroadcastJoins, DynamicFilters, ExternalRecursions, ExternalSorts,
    ExternalWindows, HybridHashAggregates, HybridHashJoins, ProjectionsInPieces, UnnestsInPieces,
};

use crate::source::SteadyScans;

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// DataFusion's rules for physical plans, and ours among and behind them. What spills is cut into at most so many partitions
/// where it is cut; `is_short` is for a query that was refused memory before and is planned anew.
pub(crate) fn rules(partitions: usize, is_short: bool) -> Vec<Rule> {
    let mut rules = HybridHashJoins::new(partitions).add_to(&PhysicalOptimizer::new().rules);
    // What a broadcast holds cannot be spilled.
    rules.insert(0, Arc::new(BroadcastJoins::new(partitions, !is_short)));
    rules.push(Arc::new(BlockNestedLoopJoins));
    rules.push(Arc::new(ExternalWindows));
    rules.push(Arc::new(ExternalRecursions::new(partitions)));
    rules.push(Arc::new(DynamicFilters));
    // Behind the one that follows columns through aggregates.
    rules.push(Arc::new(HybridHashAggregates::new(partitions)));
    rules.push(Arc::new(SteadyScans));
    // Behind those that may ask for a sort.
    rules.push(Arc::new(ExternalSorts::new(is_short)));
    rules.push(Arc::new(UnnestsInPieces));
    rules.push(Arc::new(ProjectionsInPieces));
    rules
}
