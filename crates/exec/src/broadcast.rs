//! Broadcast joins: which joins are, on which books their build side is, and what becomes of it.
//!
//! Spark sends the small side of a join to every executor, so that the large side need not be exchanged. In one process there
//! is nothing to send: a broadcast is a build side that is read once and that all threads of the query probe, where a
//! partitioned join has an exchange below both sides. Which joins are broadcast joins is decided as in Spark ([`choice`]),
//! from [hints](hint) and from the sizes that statistics tell, by the rule [`BroadcastJoins`], before any other rule can
//! turn a join around.
//!
//! A broadcast is built on the driver's books and then lives in storage memory, where it is not evicted while the join runs
//! ([`build`]). Where either has no room the join goes on as the partitioned one that it would have been without, with
//! the rows that it has.

pub(crate) mod build;
mod choice;
mod hint;
mod row_size;
mod rule;

pub use build::{BroadcastMemory, BroadcastOutcome};
pub use choice::{BroadcastChoice, Reason, Side};
pub use hint::BroadcastHintExec;
pub use row_size::row_size;
pub use rule::BroadcastJoins;
