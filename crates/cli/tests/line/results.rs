//! Results larger than the line, which go out as they come.
//!
//! `PLIMSOLL_RESULTS_MIB=512 PLIMSOLL_RESULTS_GB=10` takes another line and that much of each result; in a release build.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use plimsoll_cage::{Cage, judge};

use crate::environment::PYSPARK_CLIENT;
use crate::runs::{MIB, Runs, plimsoll, spill_directory};

/// For one result.
const PATIENCE: Duration = Duration::from_secs(1800);

/// The bytes of text in a row.
const WIDTH: u64 = 4000;

/// A line in bytes: the one that is asked for, or this many MiB.
fn line(otherwise: u64) -> u64 {
    let asked = env::var("PLIMSOLL_RESULTS_MIB");
    asked.map_or(otherwise, |mib| mib.parse().unwrap()) * MIB
}

/// How many rows make a result: of as many GB as are asked for, or of `otherwise` MiB.
fn rows(otherwise: u64) -> u64 {
    let asked = env::var("PLIMSOLL_RESULTS_GB");
    let bytes = asked.map_or(otherwise * MIB, |gb| gb.parse::<u64>().unwrap() << 30);
    bytes / WIDTH
}

/// Rows with a number, of seven digits for as long as they are less than nine million, and a text of [`WIDTH`] bytes. (What is
/// wider than in the first rows takes several lines of a table.)
fn query(rows: u64) -> String {
    format!(
        "SELECT id + 1000000 AS id, repeat('0123456789', {}) AS s FROM range({rows})",
        WIDTH / 10
    )
}

/// A command whose output is counted in its cage: lines and bytes are all that comes out of it.
fn counted(command: &Command) -> Command {
    let mut counting = Command::new("/bin/bash");
    counting
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(
            command
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        )
        .args(["-o", "pipefail", "-c", "\"$@\" | wc -lc", "counted"])
        .arg(command.get_program())
        .args(command.get_args());
    counting
}

/// Prints a result of as much as is asked for, or of `otherwise` MiB, in this form.
fn print(runs: &mut Runs, output: &str, otherwise: u64) {
    let line = line(96);
    let Some(cage) = Cage::or_skip(line) else {
        return;
    };
    let rows = rows(otherwise);
    let spill = spill_directory();
    let mut command = plimsoll("sql", line, &spill);
    command.args(["--report", "none", "--output", output, "-e", &query(rows)]);
    let run = cage.run(&mut counted(&command), PATIENCE).unwrap();
    let check = |counts: &str| {
        let mut counts = counts.split_whitespace().map(str::parse::<u64>);
        match (counts.next(), counts.next()) {
            // Up to four lines are not of rows.
            (Some(Ok(lines)), Some(Ok(bytes)))
                if (rows..=rows + 4).contains(&lines) && bytes >= rows * WIDTH =>
            {
                Ok(())
            }
            other => Err(format!("{other:?} for {rows} rows")),
        }
    };
    let verdict = judge(&run, check, &[]);
    let name = format!("results as {output}");
    runs.add(&name, &run, &verdict, verdict.is_kept());
}

#[test]
fn printed_results_take_no_memory() {
    let mut runs = Runs::default();
    for (output, most) in [("csv", 300), ("tsv", 300), ("json", 150)] {
        print(&mut runs, output, most);
    }
    runs.assert_kept();
}

/// Drawing takes its time, so that it is less here.
#[test]
fn a_drawn_result_takes_no_memory() {
    let mut runs = Runs::default();
    print(&mut runs, "table", 110);
    runs.assert_kept();
}

/// The script that `script` makes, with the engine and its Python in one cage.
fn pyspark(runs: &mut Runs, name: &str, line: u64, script: &str, settings: &[&str]) {
    let Some(cage) = Cage::or_skip(line) else {
        return;
    };
    let spill = spill_directory();
    let job = spill.path().join("job.py");
    fs::write(&job, script).unwrap();
    let mut command = plimsoll("run", line, &spill);
    command
        .env("PATH", "/usr/bin:/bin")
        .env("PYSPARK_PYTHON", PYSPARK_CLIENT.as_os_str())
        .args(["--report", "none"])
        .args(settings.iter().flat_map(|setting| ["--conf", setting]))
        .arg(Path::new(&job));
    let run = cage.run(&mut command, PATIENCE).unwrap();
    let check = |told: &str| match told.trim() {
        "right" => Ok(()),
        other => Err(other.to_owned()),
    };
    let verdict = judge(&run, check, &[]);
    runs.add(name, &run, &verdict, verdict.is_kept());
}

#[test]
fn a_local_iterator_over_more_than_the_line_takes_no_memory() {
    let mut runs = Runs::default();
    let rows = rows(600);
    let script = format!(
        r#"
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = last = length = 0
for row in spark.sql("{}").toLocalIterator():
    rows, last, length = rows + 1, max(last, row.id), length + len(row.s)
print("right" if (rows, last, length) == ({rows}, {rows} + 999999, {rows} * {WIDTH}) else (rows, last, length))
"#,
        query(rows)
    );
    // What is sent is as large as what is read, and a thousandth of it would be too much to collect.
    let settings = [
        "spark.sql.execution.arrow.compression.codec=none",
        "spark.driver.maxResultSize=512k",
    ];
    pyspark(&mut runs, "toLocalIterator", line(384), &script, &settings);
    runs.assert_kept();
}
