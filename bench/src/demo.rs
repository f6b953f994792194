//! The demo: the 22 TPC-H queries, each in a fresh process of the real binary, inside a memory that the user chose.
//!
//! [`child`] runs one query and [`report`] reads what it says of itself; [`summary`] draws the table.

pub mod child;
pub mod report;
pub mod summary;
