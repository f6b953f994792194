//! A run's record to findings and settings: what would have helped a query or a cache, with the number that it comes from.
//!
//! ```text
//!  what operators measured, what was refused ──▶ QueryEvidence ──┐
//!  what is cached, what was evicted ───────────▶ Cached ─────────┼──▶ at most three Advices: change, reason, promise
//!  settings, machine ──────────────────────────▶ Circumstances ──┘
//! ```
//!
//! Whoever has seen a query run says what it has seen, in plain numbers; nothing here knows how queries run. An
//! [`Advice`] names a change that can be made as it stands, and what will be seen when it is made, as data: a test makes
//! the change and looks.
//!
//! ```
//! use plimsoll_advisor::{Circumstances, QueryEvidence, Spill, for_query};
//! use plimsoll_conf::{Conf, Machine, Origin};
//!
//! let mut conf = Conf::default();
//! conf.set("spark.plimsoll.memory", "512m", Origin::Code)?;
//! let machine = Machine::with_memory(16 << 30);
//! let circumstances = Circumstances { conf: &conf, machine: &machine, ceiling: None };
//! let evidence = QueryEvidence {
//!     spills: vec![Spill { operator: "ExternalSortExec".into(), bytes: 700 << 20, passes: 1, ..Spill::default() }],
//!     peak_demand: 600 << 20,
//!     ample: 600 << 20,
//!     ..QueryEvidence::default()
//! };
//! let advice = for_query(&evidence, &circumstances);
//! assert_eq!(
//!     advice[0].to_string(),
//!     "--memory 1600m: ExternalSortExec spilled 700 MiB, and the query would have held 600 MiB"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advice;
mod cache;
mod evidence;
mod line;
mod query;
mod result;
mod run;

pub use advice::{Advice, Change, Promise};
pub use cache::for_cache;
pub use evidence::{Cached, Circumstances, Failure, QueryEvidence, Spill};
pub use query::for_query;
pub use result::{LargeResult, for_result};
pub use run::for_run;

/// The most that is advised at once: more would not be read.
pub const MOST: usize = 3;
