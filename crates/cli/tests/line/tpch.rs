//! TPC-H queries, each in a process of its own.

use std::fs;
use std::path::Path;

use plimsoll_bench::{answers, paths};

use crate::runs::{MIB, Runs, TPCH};

/// A scan (1), hash joins (3, 9, 21), a wide group by (13, 18), distinct values (16).
const QUERIES: [u8; 7] = [1, 3, 9, 13, 16, 18, 21];

/// The least line there is, and half as much again.
const LINES: [u64; 2] = [64 * MIB, 96 * MIB];

/// Its text, and what DuckDB answered to it (`bench/verify --record`), from a directory of such answers.
pub fn query(number: u8, recorded: &Path) -> (String, answers::Answer) {
    let recorded = recorded.join(format!("q{number}.csv"));
    (
        fs::read_to_string(paths::query(number)).unwrap(),
        answers::recorded(&recorded).unwrap(),
    )
}

#[test]
fn tpch_stays_within_its_line() {
    let mut runs = Runs::default();
    let recorded = paths::queries().join("answers-0.1");
    for line in LINES {
        for number in QUERIES {
            let (sql, answer) = query(number, &recorded);
            let name = format!("q{number}");
            if runs.sql(&name, line, &TPCH, &sql, &answer, &[]).is_none() {
                return;
            }
        }
    }
    runs.assert_kept();
}
