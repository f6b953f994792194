//! An external sort that keeps to its memory, whatever comes above or below it.
//!
//! DataFusion's `SortExec` cannot give back what its merge holds, fails where its sorted rows do not fit
//! beside those it has read, and its `TopK` cannot spill. [`ExternalSortExec`] is the external merge sort of
//! Knuth, *The Art of Computer Programming*, volume 3, section 5.4, with keys that compare as bytes, as in
//! Spark's `UnsafeExternalSorter`:
//!
//! ```text
//!  rows ──► Buffer ── all fit ──────────────► Sorted ──► the result
//!             │                                 │
//!             └─ refused, or taken back ──► a run on disk ──► Merger ──► the result
//!                                               ▲               │
//!                                               └── too many ───┘
//! ```
//!
//! - **In memory** (`buffer`): rows stay in the batches they came in. What is sorted are 24 bytes for each: the first
//!   16 of its [key](keys), which are all of most, and where it is. Each batch is sorted as it comes and merged with those of
//!   its size, so that no step is long.
//! - **On disk** a run is cut into blocks of bounded bytes, so that a merge holds little for each of its
//!   runs. If they are too many for a part of the memory, some are merged to one first (`merge`).
//! - **Of the first rows only** (`LIMIT`) no more is kept than that many, in memory and in each run, and what
//!   comes after the last of them is dropped as it comes.
//! - **Memory** is reserved before it is taken, but for one batch. All of it can be had back at any time
//!   before the first run is merged, also from a sort whose rows are being read.
//!
//! What sorts of several partitions come to is merged by [`OrderedMergeExec`].

mod buffer;
mod exec;
mod keys;
mod merge;
mod metrics;
mod ordered;
mod rule;
mod sorter;

pub use exec::ExternalSortExec;
pub use ordered::OrderedMergeExec;
pub use rule::ExternalSorts;
