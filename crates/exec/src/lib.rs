//! What DataFusion's physical plans need to stay inside their execution memory: operators that spill
//! where stock ones fail, and the rules that replace or fence in stock operators which err, or answer
//! wrongly, when they are refused memory.

mod aggregate;
pub mod batches;
mod broadcast;
mod dynamic_filter;
mod hash_join;
pub mod ipc;
mod nested_loop;
mod pieces;
mod plan;
mod recursion;
mod references;
mod reserve;
mod sort;
mod spill;
mod waiting;
mod window;
mod window_views;

pub use aggregate::{HybridHashAggregateExec, HybridHashAggregates};
pub use broadcast::{
    BroadcastChoice, BroadcastHintExec, BroadcastJoins, BroadcastMemory, BroadcastOutcome, Reason,
    Side, row_size,
};
pub use dynamic_filter::{DynamicFilterExec, DynamicFilters};
pub use hash_join::{HybridHashJoinExec, HybridHashJoins};
pub use nested_loop::{BlockNestedLoopJoinExec, BlockNestedLoopJoins};
pub use pieces::{PiecesExec, ProjectionsInPieces, UnnestsInPieces};
pub use recursion::{ExternalRecursionExec, ExternalRecursions};
pub use sort::{ExternalSortExec, ExternalSorts, OrderedMergeExec};
pub use window::{ExternalWindowExec, ExternalWindows, RunningWindowExec};
pub use window_views::WindowsWithoutViews;
