//! What the comparisons and the demo share: TPC-H data and queries, and what a run reported.
//!
//! Nothing here is part of the engine. The binaries are thin: `tpch-data` makes the data ([`tpch::ensure`]), `demo`
//! runs the 22 queries on it ([`demo`]), `memory` runs them, hostile files ([`hostile`]), joins of large tables
//! ([`large_joins`]) and the questions of H2O ([`h2o`]) in memory cgroups, `joins` and `sorts` run operators of ours beside DataFusion's ([`beside`]),
//! `advice` does what is advised ([`advice`]).

pub mod advice;
pub mod answers;
pub mod beside;
pub mod demo;
pub mod h2o;
pub mod hostile;
pub mod large_joins;
mod made;
pub mod memory;
pub mod paths;
pub mod progress;
pub mod size;
pub mod statistics;
pub mod tpch;
