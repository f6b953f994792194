use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use super::choice::{BroadcastChoice, Known, Side, choose};
use super::hint::BroadcastHintExec;
use super::row_size::row_size;
use crate::hash_join::{HybridHashJoinExec, in_place_of_join};

/// Decides which joins on equal keys are broadcast joins, as Spark's `JoinSelection` does, and takes the hints out of the
/// plan. It has its place before all other rules.
///
/// The threshold is DataFusion's option `hash_join_single_partition_threshold`, in bytes; 0 is none. A broadcast join becomes
/// a [`HybridHashJoinExec`] at once, which the rules that choose sides by size leave as it is. The others become
/// partitioned joins, in which those rules choose the side to build.
#[derive(Debug)]
pub struct BroadcastJoins {
    partitions: usize,
    is_allowed: bool,
}

impl BroadcastJoins {
    /// The rule, for joins that cut a build side which does not fit into at most `partitions` partitions. If broadcasts are
    /// not allowed there are none, whatever hints and sizes say: for a query that has run out of memory with them.
    pub fn new(partitions: usize, is_allowed: bool) -> Self {
        Self {
            partitions,
            is_allowed,
        }
    }

    fn decide(
        &self,
        join: &HashJoinExec,
        config: &ConfigOptions,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let threshold = config.optimizer.hash_join_single_partition_threshold as u64;
        let threshold = Some(threshold).filter(|bytes| *bytes > 0);
        let (left, right) = (known(&join.left), known(&join.right));
        let choice = choose(join.join_type, left, right, threshold);
        let choice = choice.filter(|_| self.is_allowed);
        if join.null_aware {
            return self.not_in(join, choice, left, right);
        }
        if let Some(choice) = choice {
            return self.broadcast(join, choice).map(Some);
        }
        match join.mode {
            PartitionMode::Auto => {
                let mode = PartitionMode::Partitioned;
                let join = join.builder().with_partition_mode(mode).build()?;
                Ok(Some(Arc::new(join)))
            }
            PartitionMode::CollectLeft | PartitionMode::Partitioned => Ok(None),
        }
    }

    /// A `NOT IN`, whose set is the right side: it is built where it is broadcast, or is not the larger side.
    fn not_in(
        &self,
        join: &HashJoinExec,
        choice: Option<BroadcastChoice>,
        left: Known,
        right: Known,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let is_larger = right.size() > left.size();
        if choice.is_none() && is_larger {
            return Ok(None);
        }
        let built = HybridHashJoinExec::with_set_built(join, self.partitions)?;
        Ok(built.map(|built| match choice {
            Some(choice) => Arc::new(built.broadcasting(choice)) as _,
            None => Arc::new(built) as _,
        }))
    }

    fn broadcast(
        &self,
        join: &HashJoinExec,
        choice: BroadcastChoice,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mode = PartitionMode::CollectLeft;
        let join = match choice.side {
            Side::Left => Arc::new(join.builder().with_partition_mode(mode).build()?) as _,
            // The left side is the one that is built. Columns are put in order again by a projection.
            Side::Right => join.swap_inputs(mode)?,
        };
        in_place_of_join(join, &|join| {
            let join = HybridHashJoinExec::new(join, self.partitions)?;
            Ok(Arc::new(join.broadcasting(choice)))
        })
    }
}

impl PhysicalOptimizerRule for BroadcastJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let decided = plan
            .transform_up(|node| {
                let decided = match node.downcast_ref::<HashJoinExec>() {
                    Some(join) => self.decide(join, config)?,
                    None => None,
                };
                Ok(match decided {
                    Some(join) => Transformed::yes(join),
                    None => Transformed::no(node),
                })
            })
            .data()?;
        decided
            .transform_up(|node| {
                Ok(match node.downcast_ref::<BroadcastHintExec>() {
                    Some(hint) => Transformed::yes(Arc::clone(hint.input())),
                    None => Transformed::no(node),
                })
            })
            .data()
    }

    fn name(&self) -> &str {
        "BroadcastJoins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn known(side: &Arc<dyn ExecutionPlan>) -> Known {
    Known {
        is_hinted: is_hinted(side),
        bytes: size(side),
    }
}

/// Whether there is a hint on it, or on what it is made of alone.
fn is_hinted(side: &Arc<dyn ExecutionPlan>) -> bool {
    let mut next = side;
    loop {
        if next.is::<BroadcastHintExec>() {
            return true;
        }
        match next.children().as_slice() {
            [only] => next = only,
            _ => return false,
        }
    }
}

/// Its size in bytes, if statistics tell that, or how many rows it has.
fn size(side: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    let statistics = StatisticsContext::new()
        .compute(side.as_ref(), &StatisticsArgs::new())
        .ok()?;
    if let Some(bytes) = statistics.total_byte_size.get_value() {
        return Some(*bytes as u64);
    }
    let rows = *statistics.num_rows.get_value()? as u64;
    Some(rows.saturating_mul(row_size(&side.schema())))
}
