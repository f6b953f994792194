//! One query in one process: start it, wait for it, end it when it is time.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};
use tokio::time;

use super::report::{self, Report};

/// How long a process that was asked to stop may take to remove its spill files before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// The engine, and what is the same for every query.
pub struct Engine {
    /// The `plimsoll` binary.
    pub binary: PathBuf,
    /// The directory of the tables.
    pub tables: PathBuf,
    /// What `--memory` is given, as the user wrote it.
    pub memory: String,
    /// Where the output of each query goes.
    pub output: PathBuf,
    /// How long a query may run.
    pub timeout: Duration,
}

/// How a query ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With a report of statements that all finished.
    Finished(Report),
    /// With an error, in one line.
    Failed(String),
    /// The demo was told to stop by this signal, and so was the query.
    Interrupted(i32),
}

impl Engine {
    /// Runs the statements of `file` in a fresh process. Its stdout and stderr stay in the output directory as
    /// `NAME.out` and `NAME.err`.
    ///
    /// # Errors
    /// When the process cannot be started or its output not be kept: the next query would fare no better.
    pub async fn run(&self, name: &str, file: &Path, stop: &mut Stop) -> Result<Outcome> {
        let stdout = self.output.join(format!("{name}.out"));
        let stderr = self.output.join(format!("{name}.err"));
        let create = |path: &Path| {
            File::create(path).with_context(|| format!("cannot write {}", path.display()))
        };
        let mut child = Command::new(&self.binary)
            .arg("sql")
            .arg("--tables")
            .arg(&self.tables)
            .args(["--memory", &self.memory, "--report", "json", "-f"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(create(&stdout)?)
            .stderr(create(&stderr)?)
            // A group of its own: Ctrl-C on the terminal then reaches it once, from us, and not twice.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;

        let status = tokio::select! {
            status = child.wait() => status.context("cannot wait for the query's process")?,
            () = time::sleep(self.timeout) => {
                end(&mut child).await?;
                return Ok(Outcome::Failed(format!("stopped: it had run for {} s (--timeout)", self.timeout.as_secs())));
            }
            signal = stop.requested() => {
                end(&mut child).await?;
                return Ok(Outcome::Interrupted(signal));
            }
        };
        let said =
            fs::read(&stderr).with_context(|| format!("cannot read {}", stderr.display()))?;
        Ok(judge(status, &String::from_utf8_lossy(&said)))
    }
}

/// What the exit status and stderr of a process amount to.
fn judge(status: ExitStatus, stderr: &str) -> Outcome {
    let report = Report::from_stderr(stderr);
    if let Some(failure) = report.as_ref().ok().and_then(Report::failure) {
        return Outcome::Failed(failure);
    }
    match report {
        Ok(report) if status.success() => Outcome::Finished(report),
        Err(error) if status.success() => Outcome::Failed(format!("{error:#}")),
        // Killed without a word is what the kernel does to a process above its container's limit.
        _ => match (status.signal(), report::first_error(stderr)) {
            (Some(signal), _) => Outcome::Failed(format!("killed by signal {signal}")),
            (None, Some(line)) => Outcome::Failed(line.to_owned()),
            (None, None) => Outcome::Failed(status.to_string()),
        },
    }
}

/// Asks a process to stop, as Ctrl-C would, and kills it when it does not.
async fn end(child: &mut Child) -> Result<()> {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself a moment ago, which is just as well.
        let _ = kill_process(pid, Signal::INT);
    }
    match time::timeout(GRACE, child.wait()).await {
        Ok(status) => status.map(drop),
        Err(_) => child.kill().await,
    }
    .context("cannot end the query's process")
}

/// The signals that ask the demo to stop: Ctrl-C, a polite `kill`, a closed terminal.
pub struct Stop {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

impl Stop {
    /// From here on these signals no longer end the process by themselves.
    pub fn listen() -> Result<Self> {
        let listen = |kind| unix::signal(kind).context("cannot listen for Ctrl-C");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them and returns its number.
    pub async fn requested(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hang_up.recv() => SignalKind::hangup(),
        };
        kind.as_raw_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str =
        r#"{"line": 1, "queries": [], "peak": {"resident": 1, "execution": 1, "storage": 0}}"#;

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    fn failed(outcome: Outcome) -> String {
        match outcome {
            Outcome::Failed(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_report_and_success_are_both_needed() {
        assert!(matches!(judge(exited(0), REPORT), Outcome::Finished(_)));
        assert!(failed(judge(exited(0), "done")).contains("not a report"));
        assert_eq!(
            failed(judge(exited(1), &format!("error: late\n{REPORT}"))),
            "late"
        );
    }

    #[test]
    fn a_process_that_says_nothing_is_named_by_its_end() {
        assert_eq!(
            failed(judge(ExitStatus::from_raw(9), "")),
            "killed by signal 9"
        );
        assert_eq!(failed(judge(exited(3), "")), "exit status: 3");
    }
}
