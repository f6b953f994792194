//! Runs of the built binary, before and after a change that it advises.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use plimsoll_advisor::{Advice, Change};
use serde_json::Value;
use tempfile::TempDir;

/// The binary, and what it runs with.
#[derive(Debug, Clone)]
pub struct Engine {
    /// `plimsoll`.
    pub program: PathBuf,
    /// A folder with TPC-H's tables.
    pub tables: PathBuf,
    /// Where spills and results go, which are removed after each run.
    pub scratch: PathBuf,
    /// How long a run may take.
    pub patience: Duration,
}

/// Statements and the options that they are run with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Options of the command line, which begin with `--`, and settings, with their values.
    pub options: Vec<(String, String)>,
    /// SQL.
    pub statements: Vec<String>,
    /// Whether the rows of the last one are written to files.
    pub(super) is_written: bool,
}

/// What came of one query.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Bytes that it wrote to disk for lack of memory.
    pub spilled: u64,
    /// Rows that its scans read.
    pub scanned: u64,
    /// The error that it ended with.
    pub error: Option<String>,
    /// The operator that wrote most.
    pub operator: Option<String>,
    /// What it was advised.
    pub advice: Vec<Advice>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its queries, in their order.
    pub queries: Vec<Seen>,
    /// Blocks that left memory or were read from disk, and partitions computed again.
    pub evicted: u64,
    /// Bytes of what is cached in memory as far as it goes that are not there, but on disk.
    pub beside: u64,
    /// What the run was advised, most helpful first.
    pub advice: Vec<Advice>,
    /// The first line that was printed beside the rows, which is the error if there is one.
    pub told: String,
}

impl Run {
    /// These statements with these options.
    pub fn new(options: &[(&str, &str)], statements: &[&str]) -> Self {
        let pairs = options.iter();
        Self {
            options: pairs.map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            statements: statements.iter().map(ToString::to_string).collect(),
            is_written: false,
        }
    }

    /// Runs it; `None` if that took too long.
    ///
    /// # Errors
    /// When the binary cannot be run, or ends without a report.
    pub fn go(&self, engine: &Engine) -> Result<Option<Outcome>> {
        let scratch = tempfile::tempdir_in(&engine.scratch)?;
        let told = scratch.path().join("stderr");
        let mut child = self
            .command(engine, &scratch)
            .stderr(File::create(&told)?)
            .spawn()
            .with_context(|| format!("cannot run {}", engine.program.display()))?;
        let began = Instant::now();
        while child.try_wait()?.is_none() {
            if began.elapsed() > engine.patience {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(10));
        }
        outcome(&std::fs::read_to_string(told)?).map(Some)
    }

    fn command(&self, engine: &Engine, scratch: &TempDir) -> Command {
        let mut command = Command::new(&engine.program);
        command
            .env_clear()
            .env("SPARK_LOCAL_DIRS", scratch.path())
            .args(["sql", "--report", "json", "--master", "local[2]"])
            .arg("--tables")
            .arg(&engine.tables)
            .arg("-e")
            .arg(self.statements.join(";\n"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if self.is_written {
            let target = scratch.path().join("rows");
            command
                .arg("--output")
                .arg(format!("parquet:{}", target.display()));
        }
        for (option, value) in &self.options {
            match option.starts_with("--") {
                true => command.args([option, value]),
                false => command.args(["--conf", &format!("{option}={value}")]),
            };
        }
        command
    }

    /// The same with a change, made as it stands; `None` if it cannot be made here, such as a larger machine.
    pub fn with(&self, change: &Change) -> Option<Self> {
        let mut run = self.clone();
        match change {
            Change::Set { key, value, option } => {
                let option = option.clone().unwrap_or_else(|| key.clone());
                run.options.retain(|(old, _)| *old != option);
                run.options.push((option, value.clone()));
            }
            Change::Uncache { name } => {
                let cache = format!("CACHE TABLE {name}");
                let mut statements = run.statements.iter();
                let place = statements.position(|statement| statement.starts_with(&cache))?;
                // It is read by nothing, so that nobody misses it in between.
                let uncache = format!("UNCACHE TABLE {name}");
                run.statements.insert(place + 1, uncache);
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
                let last = run.statements.last_mut()?;
                *last = format!("SELECT * FROM ({last}) LIMIT {rows}");
            }
            Change::Write => run.is_written = true,
            Change::Machine { .. } | Change::LocalDir { .. } => return None,
        }
        Some(run)
    }
}

/// As a command that can be copied.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plimsoll sql")?;
        for (option, value) in &self.options {
            match option.starts_with("--") {
                true => write!(f, " {option} {value}")?,
                false => write!(f, " --conf {option}={value}")?,
            }
        }
        write!(f, " -e \"{}\"", self.statements.join("; "))
    }
}

impl Outcome {
    /// Whether anything went to disk, failed, or left the cache.
    pub fn has_trouble(&self) -> bool {
        let of_query = |query: &Seen| query.spilled > 0 || query.error.is_some();
        self.evicted > 0 || self.queries.iter().any(of_query)
    }

    /// The error that a query ended with, if it was not for lack of memory or disk.
    pub fn error_of_its_own(&self) -> Option<&str> {
        const LACKS: [&str; 4] = ["memory", "spill", "space", "maxResultSize"];
        let is_own = |error: &&str| !LACKS.iter().any(|lack| error.contains(lack));
        let errors = self
            .queries
            .iter()
            .filter_map(|query| query.error.as_deref());
        errors.into_iter().find(is_own)
    }
}

/// What a report tells, the last line of it all.
fn outcome(told: &str) -> Result<Outcome> {
    let Some(report) = told.lines().rev().find(|line| line.starts_with('{')) else {
        bail!("it ended without a report: {told}");
    };
    let report: Value = serde_json::from_str(report)?;
    let list = |key: &str| report[key].as_array().cloned().unwrap_or_default();
    let evicted = |plan: &Value| -> u64 {
        let events = ["evictions", "disk_reads", "recomputes"];
        events.iter().filter_map(|event| plan[event].as_u64()).sum()
    };
    let beside = |plan: &Value| match plan["level"].as_str() {
        Some(level) if level.starts_with("MEMORY") => plan["disk"].as_u64().unwrap_or(0),
        _ => 0,
    };
    Ok(Outcome {
        queries: list("queries").iter().map(seen).collect::<Result<_>>()?,
        evicted: list("cached").iter().map(evicted).sum(),
        beside: list("cached").iter().map(beside).sum(),
        advice: serde_json::from_value(report["advice"].clone())?,
        told: told.lines().next().unwrap_or_default().to_owned(),
    })
}

fn seen(query: &Value) -> Result<Seen> {
    let number = |key: &str| query[key].as_u64().with_context(|| format!("no {key}"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Seen {
        spilled: number("spilled_bytes")?,
        scanned: number("rows_scanned")?,
        error: text(&query["error"]).filter(|_| query["status"] == "failed"),
        operator: text(&query["spills"][0]["operator"]),
        advice: serde_json::from_value(query["advice"].clone())?,
    })
}
