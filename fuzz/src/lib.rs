//! Random queries in little memory, against engines that have plenty.
//!
//! ```text
//!  seed, number ──► generate ──► Case: tables, queries, environment      (data: all follows from it)
//!                                  │
//!                  ┌───────────────┴──────────────┐
//!                  ▼                              ▼
//!        stock DataFusion, DuckDB        a session with 2 MB and up
//!             the right answer              the answer, what it left
//!                  └───────────────┬──────────────┘
//!                                  ▼
//!                     Outcome ──► shrink ──► a small case, a regression
//! ```
//!
//! A [`Case`](case::Case) is data: it can be written down, made smaller and run again. Its queries are
//! trees ([`relation`]) that [`sql`] writes for DataFusion and for DuckDB. They are planned once, by stock
//! DataFusion, and the session runs that plan: it is the execution that is tried and not the dialect.
//!
//! What has to hold: the answer is the judges'; or an operator was refused memory and said so, which is
//! counted; the query ends in time; and afterwards no execution memory is held, no spill file is left and
//! no file descriptor is open that was not before. [`coverage`] counts which operators spilled, for a
//! fuzzer that does not reach what it hunts finds nothing.
//!
//! Queries are made so that they have one right answer: functions whose value depends on the order of the
//! rows get an order, sorts and windows order by all columns that come out, and floating-point numbers are
//! not summed.

pub mod answer;
pub mod case;
pub mod coverage;
mod data;
mod duckdb;
pub mod finding;
pub mod generate;
pub mod hunt;
pub mod kind;
pub mod known;
pub mod outcome;
mod patience;
pub mod random;
pub mod relation;
pub mod run;
pub mod shrink;
pub mod sql;
pub mod stock;
pub mod subject;
pub mod worker;
