//! `memory`: whether engines stay within a line that the kernel enforces, and what it costs them.
//!
//! Each run is a process of its own in a memory cgroup of exactly the line (`plimsoll_cage`), which has to give the right
//! answer. The engines read the same Parquet files with the same number of threads; each of the others is told the whole
//! line, and told 80 % of it, which is what people do who know it; Spark is given the heap that its own rule gives it. [`task`] is what is run, [`engine`] in
//! what, [`outcome`] what came of it, and [`table`] and [`peers`] draw all of them.

pub mod engine;
pub mod outcome;
pub mod peers;
pub mod table;
pub mod task;
