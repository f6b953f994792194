//! Recursive queries whose steps need not fit into memory.
//!
//! DataFusion's `RecursiveQueryExec` holds the rows that a step has come to until the next has read them, and of a `UNION`
//! all rows that there were, and fails where it is refused memory. [`ExternalRecursionExec`] stands in its place, and
//! computes the same (semi-naive evaluation, as in SQL:1999's `WITH RECURSIVE`):
//!
//! - The rows of a step [wait](crate::waiting) for the next one, on disk where memory is refused or taken back, and are read
//!   there through a [working table](table) as PostgreSQL has it.
//! - The rows that a `UNION` has had are a [hash table](seen) as long as it fits. Then they are a list on disk: the rows of a
//!   step are made distinct among themselves, and joined with that list for those that it does not have, by the aggregate
//!   and the join of this crate, which need the memory of a step at most, and not even that.

mod exec;
mod seen;
mod step;
mod table;

pub use exec::{ExternalRecursionExec, ExternalRecursions};
