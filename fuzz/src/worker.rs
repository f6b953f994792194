//! Cases in a process of their own, so that one that hangs or dies ends that process and not the hunt.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::outcome::{Failure, FailureKind, Outcome, Tried};
use crate::patience;
use crate::run::Runner;
use crate::stock::Bounds;

/// How much longer than the sum of its limits a case may take before its process is ended.
const GRACE: Duration = Duration::from_secs(60);

/// What a worker says once the judges have answered, before its answer.
const JUDGED: &str = "judged";

/// What a worker is asked.
#[derive(Serialize, Deserialize)]
struct Request {
    case: Case,
    limit: Duration,
}

/// A process that runs cases, and is started again when it is gone.
pub struct Worker {
    bounds: Bounds,
    python: Option<PathBuf>,
    log: PathBuf,
    process: Option<Process>,
}

struct Process {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    /// A worker whose process writes what it says beside its answers to `log`.
    pub fn new(bounds: Bounds, python: Option<PathBuf>, log: PathBuf) -> Self {
        Self {
            bounds,
            python,
            log,
            process: None,
        }
    }

    /// Runs a case.
    ///
    /// # Errors
    /// If no process can be started, or the case could not be tried.
    pub fn run(&mut self, case: &Case, limit: Duration) -> Result<Tried> {
        let process = match &mut self.process {
            Some(process) => process,
            none => none.insert(Process::start(&self.log, self.python.as_deref())?),
        };
        let request = Request {
            case: case.clone(),
            limit,
        };
        let patience = limit + GRACE + self.bounds.time * 2 * case.queries.len() as u32;
        let (kind, what) = match process.ask(&request, patience) {
            Ok(answer) => {
                let tried: std::result::Result<Tried, String> = serde_json::from_str(&answer)?;
                let tried = tried.map_err(|error| anyhow!(error))?;
                // Threads that hang stay with their process.
                let hangs = matches!(&tried.outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Hang);
                if hangs || tried.is_judge_left {
                    self.process = None;
                }
                return Ok(tried);
            }
            Err(Gone::Judging) => {
                self.process = None;
                let why = "the judges took too long, and do not let themselves be stopped";
                return Ok(Tried::with(Outcome::Skipped(vec![why.to_owned()])));
            }
            Err(Gone::Silent) => (FailureKind::Hang, "no sign of life".to_owned()),
            Err(Gone::Ended) => {
                let status = process.child.wait().map(|status| status.to_string());
                let status = status.unwrap_or_else(|error| error.to_string());
                (FailureKind::Crash, format!("{status}\n{}", tail(&self.log)))
            }
        };
        self.process = None;
        Ok(Tried::with(Outcome::Failed(Failure {
            kind,
            query: None,
            what,
        })))
    }
}

/// Why a process gives no answer.
enum Gone {
    /// It is not the subject's turn yet: DataFusion's nested loops go on for minutes without yielding.
    Judging,
    Silent,
    Ended,
}

impl Process {
    fn start(log: &Path, python: Option<&Path>) -> Result<Self> {
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(program);
        command.arg("--worker");
        if let Some(python) = python {
            command.arg("--duckdb").arg(python);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start a worker")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, output) = pipes.context("a child without pipes")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            requests,
            answers,
        })
    }

    fn ask(&mut self, request: &Request, patience: Duration) -> Result<String, Gone> {
        use std::sync::mpsc::RecvTimeoutError as E;
        let mut line = serde_json::to_string(request).map_err(|_| Gone::Ended)?;
        line.push('\n');
        self.requests
            .write_all(line.as_bytes())
            .map_err(|_| Gone::Ended)?;
        let mut is_judged = false;
        loop {
            match patience::receive(&self.answers, patience, self.child.id()) {
                Ok(line) if line == JUDGED => is_judged = true,
                Ok(answer) => return Ok(answer),
                Err(E::Timeout) if is_judged => return Err(Gone::Silent),
                Err(E::Timeout) => return Err(Gone::Judging),
                Err(E::Disconnected) => return Err(Gone::Ended),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It is ours, and it is gone already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of what a process said.
fn tail(log: &Path) -> String {
    let said = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// What a worker's process does: answers cases from stdin on stdout, until stdin ends.
///
/// # Errors
/// If a request cannot be read or an answer not be written.
pub fn serve(bounds: Bounds, python: Option<PathBuf>) -> Result<()> {
    let say = |line: &str| writeln!(stdout().lock(), "{line}");
    let mut runner = Runner::new(bounds, Duration::ZERO, python);
    runner.judged = Some(Box::new(move || {
        // Who cannot be told is gone, and so is this process soon.
        let _ = say(JUDGED);
    }));
    for line in stdin().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        runner.limit = request.limit;
        let tried = runner
            .run(&request.case)
            .map_err(|error| format!("{error:#}"));
        say(&serde_json::to_string(&tried)?)?;
    }
    Ok(())
}
