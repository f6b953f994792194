//! A hash join that keeps to its memory, whatever the size of its sides.
//!
//! DataFusion's `HashJoinExec` fails when its build side does not fit. [`HybridHashJoinExec`] is the hybrid
//! hash join of DeWitt et al., *Implementation Techniques for Main Memory Database Systems* (1984),
//! with what has been learnt since. How it runs is decided by what fits, while it runs:
//!
//! ```text
//!  build rows ──► Collector ── all fit ─────────────► one Table ──┐
//!                     │                                           ├──► probed as rows come
//!                     └─ refused ──► Partitions ── in memory ─────┘
//!                                        │
//!                                        └── on disk ──► Node ◄── probe rows set aside on disk too
//!                                                         │
//!             one of these, when the probe side has ended ├── fits by now: a Table
//!                                                         ├── too large: cut again, by a fresh hash
//!                                                         └── one hot key: chunk by chunk
//! ```
//!
//! - **Building** (`collect`, `partitions`): rows are kept as they come until memory is refused. Then they are
//!   cut into partitions by hash; whenever more is refused, the partition that holds most goes to disk.
//!   What is in memory at the end becomes [tables](table), each row in it once.
//! - **Probing** (`stream`, `probing`): a probe row goes to the table of its partition, or is set aside on
//!   disk where the partition is. Any number of threads probe one [build side](build_side).
//! - **What is on disk** (`node`, `deferred`) is joined pair by pair of partitions when a thread has seen
//!   all its probe rows. Each thread joins the rows it has set aside itself, so a row never changes
//!   its output partition, and no thread ever waits for another to get on.
//! - **Unmatched rows** of the build side are told by the last thread that leaves their part, from
//!   [flags](flags) of rows in memory and [marks] of rows on disk, which go there themselves where memory is short.
//! - **Joins without keys** are joins of one partition, in which every row meets every row (`crossing`).
//! - **Memory** is reserved before it is taken, but for the least that a step works with: one batch. While nobody works on a build side, the memory manager may have it
//!   written to disk (`collect::Reclaimer`).

mod backing;
mod bounds;
mod build_side;
mod collect;
mod crossing;
mod deferred;
mod exec;
mod flags;
mod gather;
mod index;
mod keys;
mod marks;
mod members;
mod metrics;
mod node;
mod output;
mod partitions;
mod probe_filter;
mod probe_spill;
mod probing;
mod resources;
mod rule;
mod running;
mod scatter;
mod spec;
mod stream;
mod table;
mod whole;

pub(crate) use collect::collect;
pub use exec::HybridHashJoinExec;
pub(crate) use exec::in_place_of_join;
pub(crate) use keys::{hash_columns, partition_of};
pub(crate) use metrics::JoinMetrics;
pub(crate) use output::Output;
pub(crate) use resources::Resources;
pub use rule::HybridHashJoins;
pub(crate) use running::{Running, SharedBuild, shared};
pub(crate) use spec::Spec;
pub(crate) use stream::Prober;
