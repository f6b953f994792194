//! Rows written to files, at lines that are small beside what the files would hold if all were open.

use plimsoll_cage::{Cage, judge};

use crate::runs::{MIB, PATIENCE, Runs, plimsoll, spill_directory};

const LINE: u64 = 64 * MIB;

const ROWS: u64 = 200_000;

const KEYS: u64 = 2_000;

/// Rows of all keys in turn, so that each batch has rows for each directory.
fn rows() -> String {
    format!(
        "SELECT id AS v, repeat(CAST(id AS STRING), 8) AS text, id * 7919 % {KEYS} AS k FROM range({ROWS})"
    )
}

/// What is read back of them: how many rows and directories, and whether each row is whole and in its own.
fn read_back(format: &str, path: &str) -> String {
    let (v, text) = match format {
        "csv" => ("CAST(_c0 AS BIGINT)", "_c1"),
        _ => ("v", "text"),
    };
    format!(
        "SELECT count(*), count(DISTINCT k), sum({v}), count(DISTINCT {v}) FROM {format}.`{path}` \
         WHERE {v} * 7919 % {KEYS} = k AND {text} = repeat(CAST({v} AS STRING), 8)"
    )
}

#[test]
fn writes_with_thousands_of_partitions_stay_within_the_line() {
    let mut runs = Runs::default();
    let right = format!("{ROWS}\t{KEYS}\t{}\t{ROWS}\n", ROWS * (ROWS - 1) / 2);
    for format in ["parquet", "csv"] {
        let Some(cage) = Cage::or_skip(LINE) else {
            return;
        };
        let place = spill_directory();
        let target = place.path().join("written");
        let target = target.to_str().unwrap();
        let copy = format!(
            "COPY ({}) TO '{target}' (FORMAT {format}, PARTITION_BY k, HEADER false)",
            rows()
        );
        let script = format!("{copy}; {}", read_back(format, target));
        let mut command = plimsoll("sql", LINE, &place);
        command.args(["--output", "tsv", "-e", &script]);
        let run = cage.run(&mut command, PATIENCE).unwrap();
        let check = |answer: &str| match answer == right {
            true => Ok(()),
            false => Err(format!("{answer} is not {right}")),
        };
        let verdict = judge(&run, check, &[]);
        let told = &run.stderr.text;
        let files = files_told(told);
        // The files that were open when the rows began to be sorted have a second one beside them.
        let few = files.is_some_and(|files| (KEYS..KEYS + 200).contains(&files));
        if !few {
            runs.broke(format!("{format}: {files:?} files: {told}"));
        }
        runs.add(
            &format!("{KEYS} directories of {format}"),
            &run,
            &verdict,
            verdict.is_kept(),
        );
    }
    runs.assert_kept();
}

/// How many files the notice of a write speaks of.
fn files_told(told: &str) -> Option<u64> {
    let (before, _) = told.split_once(" files, ")?;
    before.rsplit(' ').next()?.parse().ok()
}
