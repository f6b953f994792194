//! Runs a case: the judges first, then the subject, then the question what it has left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use datafusion::logical_expr::LogicalPlan;
use futures::StreamExt;
use tokio::runtime::Runtime;

use crate::answer::Answer;
use crate::case::{Case, Environment};
use crate::coverage::Seen;
use crate::data;
use crate::duckdb::{DuckDb, Manner};
use crate::outcome::{Failure, FailureKind, Outcome, Refusal, Tried};
use crate::patience;
use crate::relation::Relation;
use crate::sql::{Dialect, write};
use crate::stock::{self, Bounds, Verdict};
use crate::subject::{Running, Subject, Trouble};

/// How long a subject may take to let go of what it held.
const LETTING_GO: Duration = Duration::from_secs(20);

/// What runs cases.
pub struct Runner {
    /// What the judges may take.
    pub bounds: Bounds,
    /// How long the subject may take.
    pub limit: Duration,
    /// A Python with DuckDB, if there is one.
    pub python: Option<PathBuf>,
    /// Called when the judges have answered.
    pub judged: Option<Box<dyn Fn()>>,
    duckdb: Option<DuckDb>,
}

/// A query with its right answer.
struct Question {
    number: usize,
    sql: String,
    plan: LogicalPlan,
    right: Answer,
    in_order: bool,
    /// What DuckDB answers, and what it was asked, if that is not the same.
    disputed: Option<Dispute>,
}

/// Judges that disagree: of two that agree the third is wrong.
struct Dispute {
    answer: Answer,
    told: String,
}

/// The queries that run now, for whoever wants to know what hangs.
type Watched = Arc<Mutex<Vec<(String, Running)>>>;

impl Runner {
    /// A runner that judges with DataFusion, and with DuckDB when there is a `python` that has it.
    pub fn new(bounds: Bounds, limit: Duration, python: Option<PathBuf>) -> Self {
        Self {
            bounds,
            limit,
            python,
            judged: None,
            duckdb: None,
        }
    }

    /// Runs a case.
    ///
    /// # Errors
    /// If it could not be tried, for reasons that are not the subject's.
    pub fn run(&mut self, case: &Case) -> Result<Tried> {
        let (judges, runtime) = (threads()?, threads()?);
        let directory = tempfile::Builder::new()
            .prefix("plimsoll-fuzz-")
            .tempdir()?;
        let mut tried = Tried::with(Outcome::Passed);
        let mut skipped = Vec::new();
        let questions =
            judges.block_on(self.judge(case, directory.path(), &mut tried, &mut skipped));
        // A judge that was given up may go on for minutes without yielding.
        judges.shutdown_background();
        let questions = questions?;
        if let Some(judged) = &self.judged {
            judged();
        }
        if questions.is_empty() {
            tried.outcome = Outcome::Skipped(skipped);
            return Ok(tried);
        }
        tried.compared = questions.len() as u64;
        let environment = case.environment.clone();
        let spill = directory.path().join("spill");
        fs::create_dir_all(&spill)?;
        let (outcome, seen) = try_out(runtime, environment, questions, spill, self.limit)?;
        tried.outcome = outcome;
        tried.seen = seen;
        Ok(tried)
    }

    /// The right answers, of the queries that have one.
    async fn judge(
        &mut self,
        case: &Case,
        directory: &Path,
        tried: &mut Tried,
        skipped: &mut Vec<String>,
    ) -> Result<Vec<Question>> {
        let context = stock::context(self.bounds)?;
        data::place(&case.tables, directory, &context, self.python.is_some()).await?;
        let mut questions = Vec::new();
        for (number, relation) in case.queries.iter().enumerate() {
            let sql = write(relation, &case.tables, Dialect::DataFusion).sql;
            let plan = match stock::plan(&context, &sql).await {
                Ok(plan) => plan,
                Err(error) => {
                    skipped.push(format!("no plan: {}", error.strip_backtrace()));
                    continue;
                }
            };
            match stock::answer(&context, &plan, self.bounds).await? {
                Verdict::Answer(right) => questions.push(Question {
                    number,
                    sql,
                    plan,
                    right,
                    in_order: matches!(relation, Relation::Sort(_)),
                    disputed: None,
                }),
                Verdict::Unsupported(why) => skipped.push(format!("unsupported: {why}")),
                Verdict::TooLarge(what) => {
                    tried.is_judge_left = what == stock::TIME;
                    skipped.push(format!("too large: {what}"));
                }
            }
        }
        for question in &mut questions {
            let (key, disputed) = self.ask_duckdb(case, question, directory);
            *tried.duckdb.entry(key).or_default() += 1;
            question.disputed = disputed;
        }
        Ok(questions)
    }

    /// What DuckDB says to a question: how that is counted, and its answer if it is another.
    fn ask_duckdb(
        &mut self,
        case: &Case,
        question: &Question,
        directory: &Path,
    ) -> (String, Option<Dispute>) {
        let Some(python) = &self.python else {
            return ("not there".to_owned(), None);
        };
        let relation = &case.queries[question.number];
        let written = write(relation, &case.tables, Dialect::DuckDb);
        if let Some(obstacle) = written.not_for_duckdb.first() {
            return (format!("not asked: {obstacle}"), None);
        }
        let duckdb = match &mut self.duckdb {
            Some(duckdb) => duckdb,
            none => match DuckDb::start(python) {
                Ok(started) => none.insert(started),
                Err(error) => return (format!("not there: {error:#}"), None),
            },
        };
        let (sql, right) = (&written.sql, &question.right);
        let tables = case.tables.len();
        let mut ask = |manner| duckdb.answer(sql, tables, directory, right, self.bounds, manner);
        let (answer, difference) = match ask(Manner::Usual) {
            Err(error) => {
                self.duckdb = None;
                return (format!("gone: {error:#}"), None);
            }
            Ok(Err(why)) => {
                let kind = why.split(['\n', '!', '"', '(']).next().unwrap_or_default();
                return (format!("no answer: {kind}"), None);
            }
            Ok(Ok(answer)) => match right.difference(&answer, false) {
                None => return ("agrees".to_owned(), None),
                Some(difference) => (answer, difference),
            },
        };
        // One that has two answers to a question is no judge of it.
        match ask(Manner::Plain) {
            Ok(Ok(plain)) if answer.difference(&plain, false).is_some() => {
                ("disagrees with itself".to_owned(), None)
            }
            _ => {
                let told = format!("DuckDB: {difference}\nDuckDB's query: {sql}");
                let key = "disagrees with stock DataFusion".to_owned();
                (key, Some(Dispute { answer, told }))
            }
        }
    }
}

fn threads() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")
}

/// Tries the subject, within a time.
fn try_out(
    runtime: Runtime,
    environment: Environment,
    questions: Vec<Question>,
    spill: PathBuf,
    limit: Duration,
) -> Result<(Outcome, Vec<Seen>)> {
    let watched = Watched::default();
    let (sender, receiver) = channel();
    let to_watch = Arc::clone(&watched);
    runtime.spawn(async move {
        let outcome = answers(&environment, questions, &spill, &to_watch).await;
        // Nobody waits any more if this cannot be sent.
        let _ = sender.send(outcome);
    });
    match patience::receive(&receiver, limit, std::process::id()) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => {
            let what = running(&watched, limit);
            // Threads that hang are left behind.
            runtime.shutdown_background();
            let failure = Failure {
                kind: FailureKind::Hang,
                query: None,
                what,
            };
            Ok((Outcome::Failed(failure), Vec::new()))
        }
        Err(RecvTimeoutError::Disconnected) => {
            let failure = Failure {
                kind: FailureKind::Crash,
                query: None,
                what: "a panic; it is told on stderr".to_owned(),
            };
            Ok((Outcome::Failed(failure), Vec::new()))
        }
    }
}

/// What runs, with the operators that hold it up.
fn running(watched: &Watched, limit: Duration) -> String {
    let mut told = format!("not over after {} s", limit.as_secs());
    for (sql, running) in watched
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
    {
        told.push_str(&format!("\nrunning: {sql}"));
        for operator in running.operators() {
            let rows = operator.values.get("output_rows").copied().unwrap_or(0);
            let details: String = operator.details.chars().take(120).collect();
            told.push_str(&format!("\n  {rows} rows from {details}"));
        }
    }
    told
}

/// Puts all questions at once, and compares the answers.
async fn answers(
    environment: &Environment,
    questions: Vec<Question>,
    spill: &Path,
    watched: &Watched,
) -> Result<(Outcome, Vec<Seen>)> {
    let subject = Arc::new(Subject::start(environment, spill)?);
    let files_before = files_below(spill);
    let descriptors = open_descriptors()?;
    let mut running = Vec::new();
    for (place, question) in questions.into_iter().enumerate() {
        let subject = Arc::clone(&subject);
        let cancel = environment.cancel.filter(|_| place == 0);
        let watched = Arc::clone(watched);
        running.push(tokio::spawn(async move {
            let number = question.number;
            let patience = Duration::from_millis(cancel.unwrap_or(u64::MAX / 4));
            let answer = put(&subject, question, &watched);
            match tokio::time::timeout(patience, answer).await {
                Ok(answered) => (number, answered),
                Err(_) => (number, Ok(Vec::new())),
            }
        }));
    }
    let mut seen = Vec::new();
    let mut refusals: Vec<Refusal> = Vec::new();
    let mut failure = None;
    for task in running {
        match task.await {
            Ok((_, Ok(more))) => seen.extend(more),
            Ok((_, Err(Wrong::Trouble(Trouble::Refused(refusal))))) => refusals.push(refusal),
            Ok((number, Err(wrong))) => {
                let (kind, what) = match wrong {
                    Wrong::Answer(what) => (FailureKind::WrongAnswer, what),
                    Wrong::Disputed(what) => (FailureKind::Judges, what),
                    Wrong::Trouble(Trouble::Error(what)) => (FailureKind::Error, what),
                    Wrong::Trouble(Trouble::Refused(refusal)) => {
                        (FailureKind::Refused, refusal.error)
                    }
                };
                failure = Some(Failure {
                    kind,
                    query: Some(number),
                    what,
                });
            }
            Err(panic) => {
                failure = Some(Failure {
                    kind: FailureKind::Crash,
                    query: None,
                    what: panic.to_string(),
                });
            }
        }
    }
    watched
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
    let left = left_behind(&subject, spill, files_before, descriptors).await?;
    let outcome = match (failure.or(left), refusals.is_empty()) {
        (Some(failure), _) => Outcome::Failed(failure),
        (None, false) => Outcome::Refused(refusals),
        (None, true) => Outcome::Passed,
    };
    Ok((outcome, seen))
}

enum Wrong {
    Answer(String),
    /// It is not what DuckDB answers, which is not what stock DataFusion does.
    Disputed(String),
    Trouble(Trouble),
}

impl From<Trouble> for Wrong {
    fn from(trouble: Trouble) -> Self {
        Wrong::Trouble(trouble)
    }
}

/// Puts one question, and gives what the operators did when the answer is right.
async fn put(subject: &Subject, question: Question, watched: &Watched) -> Result<Vec<Seen>, Wrong> {
    let (mut rows, running) = subject.run(question.plan, &question.sql).await?;
    watched
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((question.sql, running.clone()));
    let unreadable = |error: anyhow::Error| Wrong::Answer(format!("{error:#}"));
    let mut answer = question.right.like().map_err(unreadable)?;
    while let Some(batch) = rows.next().await {
        answer.add(&batch?).map_err(unreadable)?;
    }
    drop(rows);
    let seen = Ok(Seen::in_plan(&running.operators()));
    if let Some(Dispute {
        answer: theirs,
        told,
    }) = question.disputed
    {
        return match theirs.difference(&answer, false) {
            None => seen,
            Some(difference) if question.right.difference(&answer, false).is_none() => {
                Err(Wrong::Disputed(format!("{told}\nand ours: {difference}")))
            }
            Some(difference) => Err(Wrong::Answer(format!("{difference}\nand {told}"))),
        };
    }
    match question.right.difference(&answer, question.in_order) {
        Some(difference) => Err(Wrong::Answer(difference)),
        None => seen,
    }
}

/// What the subject has not let go of in time.
async fn left_behind(
    subject: &Subject,
    spill: &Path,
    files_before: usize,
    descriptors: usize,
) -> Result<Option<Failure>> {
    let started = Instant::now();
    loop {
        let held = subject.held();
        let files = files_below(spill).saturating_sub(files_before);
        let open = open_descriptors()?.saturating_sub(descriptors);
        let (kind, what) = match (held, files, open) {
            (0, 0, 0) => return Ok(None),
            (0, 0, open) => (FailureKind::DescriptorLeak, format!("{open} more are open")),
            (0, files, _) => (FailureKind::FileLeak, format!("{files} files are left")),
            (held, ..) => (FailureKind::MemoryLeak, format!("{held} bytes are held")),
        };
        if started.elapsed() > LETTING_GO {
            let seconds = LETTING_GO.as_secs();
            let what = format!("{what}, {seconds} s after the last query ended");
            return Ok(Some(Failure {
                kind,
                query: None,
                what,
            }));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How many files there are in and below a directory.
fn files_below(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    let count = |entry: fs::DirEntry| match entry.path().is_dir() {
        true => files_below(&entry.path()),
        false => 1,
    };
    entries.flatten().map(count).sum()
}

fn open_descriptors() -> Result<usize> {
    let entries = fs::read_dir("/proc/self/fd").context("/proc/self/fd cannot be read")?;
    Ok(entries.count())
}
