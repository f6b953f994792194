use std::cmp::Reverse;

use plimsoll_conf::parse_bytes;
use plimsoll_conf::size::Unit;

use crate::MOST;
use crate::advice::{Advice, Change, Promise};

/// What would have helped a whole run, from what would have helped its queries and its caches: of several values for one
/// setting the largest, which serves all; errors first.
pub fn for_run(all: impl IntoIterator<Item = Advice>) -> Vec<Advice> {
    let mut kept: Vec<Advice> = Vec::new();
    for advice in all {
        let same = kept
            .iter_mut()
            .find(|kept| topic(&kept.change) == topic(&advice.change));
        match same {
            Some(kept) if rank(kept) < rank(&advice) => *kept = advice,
            Some(_) => {}
            None => kept.push(advice),
        }
    }
    // Stable: what was most helpful to a query stays before what helps it less.
    kept.sort_by_key(|advice| Reverse(advice.promise == Promise::NoError));
    kept.truncate(MOST);
    kept
}

/// What a change is about: there is to be one of each.
fn topic(change: &Change) -> &str {
    match change {
        Change::Set { key, .. } => key,
        Change::Uncache { name } | Change::StorageLevel { name, .. } => name,
        Change::Machine { .. } => "machine",
        Change::LocalDir { .. } => "spark.local.dir",
        Change::Limit { .. } => "limit",
        Change::Write => "write",
    }
}

/// How far a change goes beside others about the same.
fn rank(advice: &Advice) -> (bool, u64) {
    let size = match &advice.change {
        Change::Set { value, .. } => parse_bytes(value, Unit::Byte).unwrap_or(0),
        Change::Machine { memory, .. } => *memory,
        Change::LocalDir { free } => *free,
        // The smallest limit serves all.
        Change::Limit { rows } => u64::MAX - rows,
        Change::Uncache { .. } | Change::StorageLevel { .. } | Change::Write => 0,
    };
    (advice.promise == Promise::NoError, size)
}
