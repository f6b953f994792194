//! Aggregates by group whose groups need not fit into memory.
//!
//! DataFusion's `AggregateExec` sorts what it spills and merges it again, for which it needs memory at the very time that
//! there is none: it fails where it is refused before it holds enough. [`HybridHashAggregateExec`] stands in its place.
//! It has the same hash [table], of DataFusion's group values and accumulators.
//!
//! - **Before the rows of a group are brought together** (the partial mode) it hands on all groups when it is refused
//!   memory, and steps aside where there are nearly as many groups as rows.
//! - **After that**, when memory is refused or taken back, the states of all groups go to disk in hash [partitions](parts),
//!   and the table begins anew. At the end each partition is [aggregated](stream) by itself from its states, and cut
//!   again, by another hash function, where it does not fit either.
//!
//! What cannot be made smaller is one group: an `array_agg` larger than memory is refused.

mod count_distinct;
mod distinct;
mod exec;
mod intake;
mod parts;
mod stream;
mod table;

pub use exec::{HybridHashAggregateExec, HybridHashAggregates};
