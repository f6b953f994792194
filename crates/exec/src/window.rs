//! Window functions, one partition at a time.
//!
//! DataFusion has two operators for windows. `BoundedWindowAggExec` runs functions that can be told row by row (running
//! totals, ranks, `lag`), `WindowAggExec` all others (a share of the partition's total, `ntile`, `percent_rank`, frames
//! that end with the partition): it reads its whole input before it computes anything, and reserves nothing for it.
//!
//! [`ExternalWindowExec`] stands in place of `WindowAggExec`. Its input is sorted by partition, so a partition is
//! complete when the next begins: its rows are [kept](crate::waiting) until then, reserved, on disk where memory is refused
//! or taken back, and [computed](compute) and handed on then. What a partition on disk still takes is, of functions
//! whose value all its rows share, nothing but that value; of others their arguments and results.
//!
//! [`RunningWindowExec`] stands in place of `BoundedWindowAggExec`, which reserves nothing either.

mod compute;
mod exec;
mod rule;
mod running;

pub use exec::ExternalWindowExec;
pub use rule::ExternalWindows;
pub use running::RunningWindowExec;
