//! The hybrid hash join answers as DataFusion's does with memory without end, whatever it is refused.

#[path = "hash_join/data.rs"]
mod data;
#[path = "hash_join/faults.rs"]
mod faults;
#[path = "hash_join/keyless.rs"]
mod keyless;
#[path = "hash_join/matrix.rs"]
mod matrix;
#[path = "hash_join/reclaim.rs"]
mod reclaim;
#[path = "hash_join/run.rs"]
mod run;
