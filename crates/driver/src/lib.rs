//! Sessions: SQL to jobs that run inside Spark's memory model, on DataFusion.
//!
//! A [`Session`] holds the settings, the tables and the unified memory. Each query gets a
//! `TaskMemory` and spill files of its own, delivers its [`Rows`] as a stream, can be asked for its
//! [`Progress`] meanwhile, and leaves a [`QueryRecord`] behind.
//!
//! # A session, and SQL
//!
//! ```
//! use futures::TryStreamExt;
//! use plimsoll_driver::Session;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let session = Session::builder()
//!     .master("local[4]")
//!     .config("spark.executor.memory", "1g")
//!     .config("spark.driver.memory", "1g")
//!     .build()?;
//! let answer = session.sql("SELECT sum(id) AS total FROM range(1, 5)").await?;
//! let batches: Vec<_> = answer.rows.expect("a query has rows").try_collect().await?;
//! assert_eq!(batches[0].num_rows(), 1);
//! assert_eq!(session.history().records().count(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! The engine keeps the process under its line only where it counts what is allocated: a program that calls
//! `plimsoll_allocator::install()` first has jemalloc and the counter in it. Without it queries keep to what they reserve, and what nobody
//! reserves is measured and not held back.
//!
//! # DataFrames
//!
//! [`Session::dataframe`] gives a query as DataFusion's `DataFrame`, and [`Session::context`] a `SessionContext` with the
//! session's tables. Whatever they run is a query of the session: in its memory, with its settings, in its history.
//!
//! ```
//! use datafusion::functions_aggregate::expr_fn::max;
//! use datafusion::prelude::col;
//! use plimsoll_driver::Session;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let session = Session::builder().memory("256m").build()?;
//! let frame = session.dataframe("SELECT id, id % 3 AS k FROM range(100)").await?;
//! let largest = frame.aggregate(vec![col("k")], vec![max(col("id"))])?.sort_by(vec![col("k")])?;
//! assert_eq!(largest.clone().collect().await?[0].num_rows(), 3);
//!
//! // The same with a name of its own in the history, and rows that come one batch after the other.
//! let rows = session.run_plan(largest.into_unoptimized_plan(), "the largest of each").await?;
//! # drop(rows);
//! let latest = session.history().records().next_back().expect("two queries ran");
//! assert_eq!(latest.sql, "the largest of each");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Memory, and settings of a running session
//!
//! [`Session::memory`] tells who holds what at this moment. Settings of memory take effect at once, under queries that run: what
//! grows is theirs, what shrinks is spilled and evicted. The answer says what is now of another size, old and new.
//!
//! ```
//! use plimsoll_driver::Session;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let session = Session::builder().memory("512m").build()?;
//! let before = session.memory();
//! assert_eq!(before.line, 512 << 20);
//! assert!(before.running.is_empty());
//!
//! let answer = session.sql("SET spark.memory.fraction = 0.8").await?;
//! assert!(answer.notices.iter().any(|told| told.starts_with("unified memory: ")));
//! let after = session.memory();
//! assert!(after.on_heap.execution + after.on_heap.storage > before.on_heap.execution + before.on_heap.storage);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Events
//!
//! [`Session::events`] is a stream of what happens in all sessions of the process from then on, under the names of Spark's
//! listener events. It costs nothing as long as nobody listens, and holds nobody up who works: a slow listener is told how many
//! events it has missed.
//!
//! ```
//! use futures::StreamExt;
//! use plimsoll_driver::{EventKind, Session};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let session = Session::builder().memory("256m").build()?;
//! let mut events = session.events();
//! session.dataframe("SELECT * FROM range(10)").await?.collect().await?;
//! while let Some(event) = events.next().await {
//!     if let EventKind::SqlExecutionEnd { record } = event.kind {
//!         assert_eq!((record.id, record.rows, record.spilled_bytes), (0, 10, 0));
//!         break;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

/// The guide's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/driver.md")]
struct Guide;

mod advice;
mod answers;
mod average;
mod broadcast;
mod cache;
mod command;
mod dialect;
mod distinct;
mod division;
mod engine;
mod error;
mod event;
mod figures;
mod format;
pub mod hints;
mod history;
mod job;
mod not_in;
mod offset;
mod operators;
mod options;
mod outside;
mod path_tables;
mod query;
mod range;
mod record;
mod results;
mod rules;
mod session;
mod shared;
mod source;
mod spill;
mod sql_error;
mod statement;
mod status;
mod substitute;
mod tables;
mod temporal;
mod types;
mod user_functions;
mod values;
mod write;

pub use broadcast::BroadcastRecord;
pub use cache::CachedPlan;
pub use dialect::end_distinct_before_and;
pub use error::{Error, Place, SqlError};
pub use event::{Event, EventKind, EventStream};
pub use figures::{MemoryFigures, RunningQuery};
pub use format::FileFormat;
pub use history::History;
pub use not_in::logical_rules;
pub use operators::OperatorMetrics;
pub use plimsoll_advisor::{Advice, Change, Promise};
pub use query::{Progress, Query, Rows};
pub use record::{OperatorSpill, QueryRecord, Status};
pub use results::{Collected, ResultTooLarge};
pub use session::{Answer, Changed, Persisted, Planned, Session, SessionBuilder};
pub use source::Source;
pub use sql_error::SqlErrorKind;
pub use statement::{Statement, is_complete, split};
pub use types::{spark_field, spark_name, spark_type};
pub use write::{SaveMode, Target, WriteRequest, Written};
