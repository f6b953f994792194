//! Runs of the built binary, before and after a change that it advises.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use plimsoll_bench::{paths, tpch};
use plimsoll_driver::{Advice, Change, Promise};
use serde_json::Value;
use tempfile::TempDir;

/// TPC-H data of scale 0.1, made if they are not there.
pub static TPCH: LazyLock<PathBuf> = LazyLock::new(|| {
    let scale = "0.1".parse().unwrap();
    let directory = paths::data(scale);
    tpch::ensure(&directory, scale).unwrap();
    directory
});

/// A script and the options that it is run with; what comes of it is judged by its last statement.
#[derive(Clone, Debug)]
pub struct Run {
    pub options: Vec<(String, String)>,
    pub statements: Vec<String>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    pub spilled: u64,
    pub failed: bool,
    /// Blocks that left memory or were read from disk, and partitions computed again.
    pub evicted: u64,
    pub advice: Vec<Advice>,
    pub told: String,
}

impl Run {
    pub fn new(options: &[(&str, &str)], statements: &[&str]) -> Self {
        let pairs = options.iter();
        Self {
            options: pairs.map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            statements: statements.iter().map(ToString::to_string).collect(),
        }
    }

    pub fn go(&self) -> Outcome {
        let spill = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let output = self.command(&spill).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let report = told.lines().rev().find(|line| line.starts_with('{'));
        let report: Value =
            serde_json::from_str(report.unwrap_or_else(|| panic!("{told}"))).unwrap();
        let last = report["queries"].as_array().unwrap().last().unwrap();
        let sum = |plan: &Value| -> u64 {
            let events = ["evictions", "disk_reads", "recomputes"];
            events
                .iter()
                .map(|event| plan[event].as_u64().unwrap())
                .sum()
        };
        Outcome {
            spilled: last["spilled_bytes"].as_u64().unwrap(),
            failed: last["status"] == "failed",
            evicted: report["cached"].as_array().unwrap().iter().map(sum).sum(),
            advice: serde_json::from_value(report["advice"].clone()).unwrap(),
            told,
        }
    }

    fn command(&self, spill: &TempDir) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .env_clear()
            .env("SPARK_LOCAL_DIRS", spill.path())
            .args([
                "sql", "--report", "json", "--master", "local[2]", "--tables",
            ])
            .arg(&*TPCH)
            .arg("-e")
            .arg(self.statements.join(";\n"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        for (option, value) in &self.options {
            match option.starts_with("--") {
                true => command.args([option, value]),
                false => command.args(["--conf", &format!("{option}={value}")]),
            };
        }
        command
    }

    /// The same with a change, made as it stands.
    pub fn with(&self, change: &Change) -> Self {
        let mut run = self.clone();
        match change {
            Change::Set { key, value, option } => {
                let option = option.clone().unwrap_or_else(|| key.clone());
                run.options.retain(|(old, _)| *old != option);
                run.options.push((option, value.clone()));
            }
            Change::Uncache { name } => {
                let last = run.statements.len() - 1;
                let uncache = format!("UNCACHE TABLE {name}");
                run.statements.insert(last, uncache);
            }
            Change::StorageLevel { name, level } => {
                let cache = format!("CACHE TABLE {name}");
                for statement in &mut run.statements {
                    if statement.starts_with(&cache) {
                        *statement = format!("{cache} OPTIONS ('storageLevel' '{level}')");
                    }
                }
            }
            Change::Limit { rows } => {
                let last = run.statements.last_mut().unwrap();
                *last = format!("SELECT * FROM ({last}) LIMIT {rows}");
            }
            Change::Machine { .. } | Change::LocalDir { .. } | Change::Write => {
                panic!("{change} is not for this test")
            }
        }
        run
    }
}

/// Whether a run after a change is what the advice promised; if not, in words.
pub fn kept(promise: Promise, before: &Outcome, after: &Outcome) -> Result<(), String> {
    let holds = match promise {
        // Which thread gets how many rows differs from run to run, and one of them may be a little short.
        Promise::NoSpill => after.spilled <= before.spilled / 10,
        Promise::LessSpill => after.spilled <= before.spilled / 4 * 3,
        Promise::NoEviction => after.evicted == 0,
        Promise::NoError => !after.failed,
        Promise::Further => false,
    };
    if holds && (promise == Promise::NoError || !after.failed) {
        return Ok(());
    }
    Err(format!(
        "{promise:?} did not hold: spilled {} before and {} after, evicted {} and {}; {}",
        before.spilled,
        after.spilled,
        before.evicted,
        after.evicted,
        after.told.lines().next().unwrap_or_default()
    ))
}

/// One of TPC-H's queries.
pub fn tpch_query(number: u8) -> String {
    let sql = std::fs::read_to_string::<&Path>(&paths::query(number)).unwrap();
    sql.trim().trim_end_matches(';').to_owned()
}
