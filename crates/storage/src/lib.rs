//! Storage memory: blocks of cached data that share memory with execution.
//!
//! ```text
//!   Dataset (a cached plan)            BlockStore (one per process)
//!     └─ Generation                      least recently used ◄── evict ── UnifiedMemory
//!          └─ Unit   computed and lost     │                                (storage pool)
//!               │    together              ▼
//!               └─ partition ── Block Block Block …   in memory, on disk, or both
//! ```
//!
//! * A [`Dataset`] is Spark's `CachedRDDBuilder`: what computes the rows ([`Lineage`]), how they are kept
//!   (`StorageLevel`), and what there is of them. It is lazy: a partition is computed when it is read first, whole, and
//!   is there for others when all of it is.
//! * A partition is cut into blocks of bounded size. Where there is no memory for one it goes to disk.
//! * What is computed together is lost together (a unit): one partition where the plan works on each by itself, all of
//!   them where it passes rows from one partition to another, since such a plan need not put a row into the same
//!   partition again.
//! * [`BlockStore`] is Spark's `MemoryStore`: it evicts the blocks that were not used for longest, never one of the dataset
//!   that asks. Blocks whose level has a disk go there; others are dropped with all of their unit, unless somebody is
//!   reading it: then they go to disk until that is over, so that no reader ever sees one half of one computation and one half
//!   of another.
//! * [`CachedTable`] is how a plan reads a dataset: columns pruned, blocks passed over whose bounds exclude them, and simple
//!   conditions evaluated while it reads, so that other columns are unpacked for the rows alone that are left.

mod block;
mod bounds;
mod columns;
mod conditions;
mod dataset;
mod file;
mod fill;
mod left;
mod packed;
mod read;
mod scan;
mod select;
mod store;
mod table;
mod unit;
mod wanted;

pub use dataset::{CacheOptions, Dataset, Lineage, Usage};
pub use scan::{CachedScanExec, lineage};
pub use store::{BlockStore, Evicted};
pub use table::CachedTable;
