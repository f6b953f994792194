//! Sessions: SQL to jobs that run inside Spark's memory model, on DataFusion.
//!
//! A [`Session`] holds the settings, the tables and the unified memory. Each query gets a
//! `TaskMemory` and spill files of its own, delivers its [`Rows`] as a stream, can be asked for its
//! [`Progress`] meanwhile, and leaves a [`QueryRecord`] behind.
//!
//! ```
//! use futures::TryStreamExt;
//! use plimsoll_conf::{Conf, Machine, Origin};
//! use plimsoll_driver::Session;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let mut conf = Conf::default();
//! conf.set("spark.plimsoll.memory", "512m", Origin::Code)?;
//! let session = Session::new(conf, Machine::detect()?, vec![])?;
//! let answer = session.sql("SELECT sum(id) AS total FROM range(1, 5)").await?;
//! let batches: Vec<_> = answer.rows.expect("a query has rows").try_collect().await?;
//! assert_eq!(batches[0].num_rows(), 1);
//! assert_eq!(session.history().records().count(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod advice;
mod answers;
mod average;
mod broadcast;
mod cache;
mod command;
mod dialect;
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
pub use plimsoll_advisor::{Advice, Change, Promise};
pub use dialect::end_distinct_before_and;
pub use error::{Error, Place, SqlError};
pub use event::{Event, EventKind, EventStream};
pub use figures::{MemoryFigures, RunningQuery};
pub use format::FileFormat;
pub use history::History;
pub use not_in::logical_rules;
pub use operators::OperatorMetrics;
pub use query::{Progress, Query, Rows};
pub use record::{OperatorSpill, QueryRecord, Status};
pub use results::{Collected, ResultTooLarge};
pub use session::{Answer, Changed, Persisted, Planned, Session, SessionBuilder};
pub use source::Source;
pub use sql_error::SqlErrorKind;
pub use statement::{Statement, is_complete, split};
pub use types::{spark_field, spark_name, spark_type};
pub use write::{SaveMode, Target, WriteRequest, Written};
