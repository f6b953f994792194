//! Who may hold how much memory.
//!
//! ```text
//!             UnifiedMemory  (one per executor)                 Meter
//!   ┌──────────── unified region, on-heap ────────────┐     resident bytes,
//!   │  storage ◄──────── soft border ────────► execution    as the kernel
//!   │  cached blocks        │        tasks' working memory  counts them
//!   └───────────────────────┼──────────────────┬──────┘
//!                           │                  │ 1/2N .. 1/N each
//!   ┌── the same, off-heap ─┴───┐      ┌───────┴────────┐
//!   └───────────────────────────┘      │   TaskMemory   │  one per query: a DataFusion
//!                                      └───────┬────────┘  `MemoryPool`
//!                          ┌───────────────────┼───────────────────┐
//!                    ExternalSorter[0]   HashJoinInput      AggregateStream[1]
//! ```
//!
//! * [`UnifiedMemory`] answers to the byte as Spark's `UnifiedMemoryManager` does: execution
//!   borrows free storage memory and evicts what storage borrowed, storage borrows free execution
//!   memory and never evicts it, and *N* active tasks get between 1/2N and 1/N of the execution
//!   memory each. Recordings of Spark's own classes are replayed against it in
//!   `tests/spark_oracle.rs`.
//! * [`TaskMemory`] shares what one task obtained between the consumers (operators) inside it,
//!   keeps the books per consumer, and remembers each refusal, so that an error or a report can
//!   say who held what.
//! * [`DriverMemory`] keeps the books of what the driver holds: results, broadcasts, metadata.
//! * [`Meter`] reads what is really resident, beside what was reserved.
//!
//! # Where Spark blocks
//!
//! Spark parks the thread of a task that cannot get 1/2N of the execution memory until others give
//! some back. An async engine must not park its threads, and DataFusion's
//! `MemoryPool::try_grow` cannot wait. [`UnifiedMemory::acquire_execution`] therefore answers
//! [`Acquired::MustWait`] and registers the task as active, exactly as Spark does before it waits:
//! from then on the older tasks' cap is 1/N with the newcomer counted, and each of them that is
//! above it is refused at its next growth and spills. What the newcomer may do meanwhile is in
//! [`TaskMemory`]: a small floor per consumer is granted in any case, beyond that it is refused,
//! spills, and asks again.

mod account;
mod admission;
mod allocator;
mod attribution;
mod driver;
mod execution_pool;
mod ledger;
mod meter;
mod mode;
mod overflow;
mod pinned;
mod pressure;
mod reclaim;
mod resident;
mod storage_pool;
mod task;
mod unified;

pub use admission::Admitted;
pub use allocator::CountingAllocator;
pub use attribution::Attributed;
pub use driver::{DriverAccount, DriverMemory, DriverUsage, DriverUse, Held};
pub use ledger::{Holder, Refusal, TaskUsage};
pub use meter::{Meter, PeakGuard, Sample};
pub use mode::MemoryMode;
pub use pinned::PinnedStorage;
pub use pressure::{Bounds, PartPeaks, Pressure, Steps, purge_with};
pub use reclaim::Reclaim;
pub use resident::ResidentMemory;
pub use storage_pool::{BlockId, EvictBlocks, Eviction};
pub use task::TaskMemory;
pub use unified::{Acquired, PoolSizes, Region, TaskId, UnifiedMemory, UserCode};
