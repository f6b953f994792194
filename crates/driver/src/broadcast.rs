use std::fmt;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use plimsoll_conf::fmt_bytes;
use plimsoll_exec::{BroadcastOutcome, HybridHashJoinExec};
use serde::{Deserialize, Serialize};

use crate::operators::visit;

/// What became of the side of a join that was to be broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BroadcastRecord {
    /// The keys of the join, such as `k = id`.
    pub keys: String,
    /// Which side of the join, and why: `right (hint)`, or its size as statistics have it and the threshold.
    pub side: String,
    /// Bytes that its rows and their index took in storage memory; or those of the rows when it was given up.
    pub bytes: u64,
    /// What it did not fit in, if it was given up and the join became a partitioned one.
    pub given_up: Option<String>,
}

impl BroadcastRecord {
    /// The broadcasts of a plan as far as they were built, those that were given up first.
    pub(crate) fn of_plan(plan: &Arc<dyn ExecutionPlan>) -> Vec<Self> {
        let mut records = Vec::new();
        visit(plan, &mut |node| {
            let join = node.downcast_ref::<HybridHashJoinExec>();
            records.extend(join.and_then(HybridHashJoinExec::broadcast).map(Self::of));
        });
        records.sort_by_key(|record: &Self| record.given_up.is_none());
        records
    }

    fn of(outcome: BroadcastOutcome) -> Self {
        Self {
            keys: outcome.keys,
            side: outcome.choice.to_string(),
            bytes: outcome.bytes,
            given_up: outcome.given_up,
        }
    }
}

impl fmt::Display for BroadcastRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            keys,
            side,
            bytes,
            given_up,
        } = self;
        let bytes = fmt_bytes(*bytes);
        match given_up {
            None => write!(f, "broadcast {side} of {keys}: {bytes} in storage memory"),
            Some(lacking) => write!(
                f,
                "broadcast {side} of {keys}: {bytes} did not fit in {lacking}; joined by partitions instead"
            ),
        }
    }
}
