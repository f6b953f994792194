//! What a run of `plimsoll --report json` says of itself: one JSON object, the last line of its stderr.

use anyhow::{Context, Result};
use serde::Deserialize;

/// The parts of the report that the demo shows. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Report {
    /// The limit on the process's resident memory.
    pub line: u64,
    /// One entry per statement that was run.
    pub queries: Vec<Query>,
    /// The highest of each kind over the whole run.
    pub peak: Peak,
}

/// One statement's part of a [`Report`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Query {
    /// How it ended.
    pub status: Status,
    /// Why it did not finish.
    #[serde(default)]
    pub error: Option<String>,
    /// Rows returned.
    pub rows: u64,
    /// Wall-clock time.
    pub seconds: f64,
    /// The most execution memory held at a time.
    pub peak_execution: u64,
    /// Bytes written to spill files.
    pub spilled_bytes: u64,
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All its rows were returned.
    Finished,
    /// It stopped with an error.
    Failed,
    /// Someone stopped it.
    Cancelled,
}

/// The highest of each kind of memory over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Peak {
    /// What the kernel could not have taken back from the process.
    pub resident: u64,
    /// Held for joins, sorts and aggregations.
    pub execution: u64,
}

impl Report {
    /// Reads the report from what a run wrote to stderr.
    pub fn from_stderr(stderr: &str) -> Result<Self> {
        let line = stderr.trim_end().lines().next_back().unwrap_or_default();
        serde_json::from_str(line).context("the last line of stderr is not a report")
    }

    /// The first statement that did not finish, and the first line of why.
    pub fn failure(&self) -> Option<String> {
        let query = self
            .queries
            .iter()
            .find(|query| query.status != Status::Finished)?;
        let reason = query.error.as_deref().and_then(first_line);
        Some(reason.map_or_else(
            || format!("{:?}", query.status).to_lowercase(),
            str::to_owned,
        ))
    }
}

/// The first line of stderr that says what went wrong, without its `error: `; else the first line at all.
pub fn first_error(stderr: &str) -> Option<&str> {
    stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix("error: "))
        .or_else(|| first_line(stderr))
}

fn first_line(text: &str) -> Option<&str> {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STDERR: &str = r#"warning: something
{"line": 1073741824, "layout": {"line": 1}, "queries": [{"status": "finished", "error": null, "rows": 4, "seconds": 0.5, "peak_execution": 10, "peak_resident": 20, "spilled_bytes": 30, "spill_files": 1}], "peak": {"resident": 20, "execution": 10, "storage": 0}}
"#;

    #[test]
    fn the_report_is_the_last_line() {
        let report = Report::from_stderr(STDERR).unwrap();
        assert_eq!(report.line, 1 << 30);
        assert_eq!(report.queries[0].rows, 4);
        assert_eq!(
            report.peak,
            Peak {
                resident: 20,
                execution: 10
            }
        );
        assert_eq!(report.failure(), None);
        assert!(Report::from_stderr("error: no such table").is_err());
        assert!(Report::from_stderr("").is_err());
    }

    #[test]
    fn a_failed_statement_says_why_in_a_line() {
        let failed = STDERR
            .replace("finished", "failed")
            .replace(r#""error": null"#, r#""error": "no memory\nsee the guide""#);
        let report = Report::from_stderr(&failed).unwrap();
        assert_eq!(report.failure().as_deref(), Some("no memory"));
        let cancelled = Report::from_stderr(&STDERR.replace("finished", "cancelled")).unwrap();
        assert_eq!(cancelled.failure().as_deref(), Some("cancelled"));
    }

    #[test]
    fn an_error_is_preferred_to_a_warning() {
        assert_eq!(first_error("warning: a\nerror: b\nerror: c"), Some("b"));
        assert_eq!(
            first_error("\n thread panicked\n{}"),
            Some("thread panicked")
        );
        assert_eq!(first_error("\n"), None);
    }
}
