//! Never over the line: the built binary in memory cgroups of exactly its line, with swap off.
//!
//! Each run has to give the right answer, or an error that names the line and ends the query alone. No OOM kill, no death
//! by a signal, no hang, and at no moment more resident than the line. A test makes all its runs and tells of each, and
//! fails if one broke a rule.
//!
//! The lines and sizes here fit continuous integration; `bench/memory` makes the same runs at full size. More of them:
//!
//! ```text
//! PLIMSOLL_SOAK_SECONDS=600 PLIMSOLL_SEED=7 cargo test --release --workspace --test line soak -- --nocapture
//! ```

mod broadcast;
mod cached;
mod concurrent;
#[expect(dead_code, reason = "the tests of PySpark use more of it")]
#[path = "../pyspark/environment.rs"]
mod environment;
mod hostile;
mod metadata;
mod queries;
mod results;
mod runs;
mod server;
mod soak;
mod tpch;
mod writes;
