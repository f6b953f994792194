//! A hunt: case after case, what came of them, and what is made of a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::case::{Case, Options, Way};
use crate::coverage::Coverage;
use crate::finding::{Finding, describe};
use crate::known;
use crate::outcome::{Failure, FailureKind, Outcome, Strict};
use crate::shrink::shrink;
use crate::worker::Worker;

/// How a hunt goes.
pub struct Plan {
    /// Which refusals are failures.
    pub strict: Strict,
    /// How long a case may take.
    pub limit: Duration,
    /// How long a failure may be made smaller.
    pub shrinking: Duration,
    /// Where failures are written.
    pub directory: PathBuf,
}

/// What came of the cases so far.
#[derive(Default)]
pub struct Tally {
    /// Cases that were run.
    pub cases: u64,
    /// Queries whose answers were compared.
    pub compared: u64,
    /// Cases in which all held.
    pub passed: u64,
    /// Cases in which a query was refused memory, and all else held.
    pub refused: u64,
    /// Refusals, by who was refused.
    pub refusals: BTreeMap<String, u64>,
    /// Cases without an answer to compare with.
    pub skipped: u64,
    /// Why, without the numbers in it.
    pub reasons: BTreeMap<String, u64>,
    /// What DuckDB was asked.
    pub duckdb: BTreeMap<String, u64>,
    /// Failures that are known faults, by fault.
    pub known: BTreeMap<String, u64>,
    /// Failures by what they have in common, with their cases.
    pub failures: BTreeMap<String, Vec<u64>>,
    /// What operators did.
    pub coverage: Coverage,
}

/// Runs cases and keeps the tally.
pub struct Hunt {
    plan: Plan,
    worker: Worker,
    /// What came of the cases.
    pub tally: Tally,
}

impl Hunt {
    /// A hunt that has not begun.
    pub fn new(plan: Plan, worker: Worker) -> Self {
        Self {
            plan,
            worker,
            tally: Tally::default(),
        }
    }

    /// Runs a case; gives the text about its failure, if it failed in a way that no other has.
    ///
    /// # Errors
    /// If the case could not be tried, or a failure not be written.
    pub fn run(&mut self, case: &Case) -> Result<Option<String>> {
        let tried = self.worker.run(case, self.plan.limit)?;
        let tally = &mut self.tally;
        tally.cases += 1;
        tally.compared += tried.compared;
        tally.coverage.add(&tried.seen);
        for (what, count) in tried.duckdb {
            *tally.duckdb.entry(what).or_default() += count;
        }
        if let Outcome::Refused(refusals) = &tried.outcome {
            for refusal in refusals {
                *tally.refusals.entry(refusal.consumer.clone()).or_default() += 1;
            }
        }
        match self.plan.strict.judge(tried.outcome) {
            Outcome::Passed => tally.passed += 1,
            Outcome::Refused(_) => tally.refused += 1,
            Outcome::Skipped(reasons) => {
                tally.skipped += 1;
                for reason in reasons {
                    *tally.reasons.entry(without_numbers(&reason)).or_default() += 1;
                }
            }
            Outcome::Failed(failure) => {
                if let Some(fault) = known::fault(case, &failure, self.plan.strict) {
                    *tally.known.entry(fault.to_owned()).or_default() += 1;
                    return Ok(None);
                }
                let cases = tally.failures.entry(likeness(&failure)).or_default();
                cases.push(case.number);
                // Wrong answers look alike whatever is behind them.
                let many = match failure.kind {
                    FailureKind::WrongAnswer | FailureKind::Judges => 8,
                    _ => 1,
                };
                if cases.len() <= many {
                    return self.report(case, failure).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Makes a failure smaller, writes it down, and tells of it.
    fn report(&mut self, case: &Case, failure: Failure) -> Result<String> {
        let (small, failure) = self.smaller(case, failure);
        let path = Finding::new(&small, &failure).write(&self.plan.directory)?;
        let stock = match failure.kind {
            FailureKind::Judges => String::new(),
            _ => format!(
                "stock DataFusion in a pool of the same size: {}\n",
                self.stock(&small)
            ),
        };
        let text = format!(
            "case {} of seed {}: {}: {}\n{}{stock}kept in {}: replay it with --replay, and put it into \
             fuzz/regressions once it passes\n",
            case.number,
            case.seed,
            failure.kind,
            failure.what,
            describe(&small),
            path.display()
        );
        fs::write(path.with_extension("txt"), &text).context("cannot write a failure")?;
        Ok(text)
    }

    fn smaller(&mut self, case: &Case, failure: Failure) -> (Case, Failure) {
        let deadline = Instant::now() + self.plan.shrinking;
        let mut last = failure.clone();
        let limit = match failure.kind {
            // Each attempt that hangs takes as long.
            FailureKind::Hang => self.plan.limit.min(Duration::from_secs(15)),
            _ => self.plan.limit,
        };
        let wanted = likeness(&failure);
        let mut fails = |case: &Case| {
            // What depends on how threads take turns may not happen each time.
            for _ in 0..2 {
                if Instant::now() > deadline {
                    return false;
                }
                let Ok(tried) = self.worker.run(case, limit) else {
                    return false;
                };
                if let Outcome::Failed(found) = self.plan.strict.judge(tried.outcome)
                    && likeness(&found) == wanted
                {
                    last = found;
                    return true;
                }
            }
            false
        };
        let small = shrink(case, usize::MAX, &mut fails);
        (small, last)
    }

    /// What stock DataFusion does with a case in a pool of the same size.
    fn stock(&mut self, case: &Case) -> String {
        let mut case = case.clone();
        let options = match &case.environment.way {
            Way::Engine(options) | Way::Stock(options) => options.clone(),
            Way::Session { threads } => Options {
                batch_rows: 1024,
                partitions: *threads,
                single_partition_threshold: 1 << 20,
                hash_joins: true,
                dynamic_filters: true,
                filters_in_scan: false,
                swap_sides: true,
                probe_rows: None,
            },
        };
        let mut said = Vec::new();
        for hash_joins in [true, false] {
            case.environment.way = Way::Stock(Options {
                hash_joins,
                ..options.clone()
            });
            let what = match self.worker.run(&case, self.plan.limit) {
                Err(error) => format!("{error:#}"),
                Ok(tried) => match tried.outcome {
                    Outcome::Passed => "all holds".to_owned(),
                    Outcome::Refused(refusals) => format!("refused: {}", refusals[0].consumer),
                    Outcome::Skipped(_) => "skipped".to_owned(),
                    Outcome::Failed(failure) => {
                        let line = failure.what.lines().next().unwrap_or_default();
                        format!("{}: {line}", failure.kind)
                    }
                },
            };
            let joins = if hash_joins {
                "hash joins"
            } else {
                "sort-merge joins"
            };
            said.push(format!("{joins}: {what}"));
        }
        said.join("; ")
    }
}

/// What failures of one cause have in common, as far as their words tell.
fn likeness(failure: &Failure) -> String {
    let what = match failure.kind {
        FailureKind::Error | FailureKind::Refused | FailureKind::Crash => {
            without_numbers(&failure.what)
        }
        _ => String::new(),
    };
    format!("{} {what}", failure.kind).trim_end().to_owned()
}

/// The beginning of a message, with its numbers made the same.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.replace('\n', " ").chars().take(160) {
        match letter.is_ascii_digit() {
            false => plain.push(letter),
            true if !plain.ends_with('#') => plain.push('#'),
            true => {}
        }
    }
    plain
}

impl Tally {
    /// How many cases failed.
    pub fn failed(&self) -> usize {
        self.failures.values().map(Vec::len).sum()
    }

    /// All of it, as text.
    pub fn draw(&self) -> String {
        let failed = self.failed();
        let mut text = format!(
            "{}\n{} cases: {} passed, {} refused, {} skipped, {} known faults, {failed} failed; {} answers compared\n",
            self.coverage.draw(),
            self.cases,
            self.passed,
            self.refused,
            self.skipped,
            self.known.values().sum::<u64>(),
            self.compared
        );
        for (title, counts) in [
            ("known faults", &self.known),
            ("refused memory", &self.refusals),
            ("not compared", &self.reasons),
            ("DuckDB", &self.duckdb),
        ] {
            if !counts.is_empty() {
                text.push_str(&format!("{title}:\n"));
            }
            let mut counts: Vec<(&String, &u64)> = counts.iter().collect();
            counts.sort_by(|a, b| b.1.cmp(a.1));
            for (what, count) in counts.into_iter().take(12) {
                text.push_str(&format!("  {count:>6}  {what}\n"));
            }
        }
        if !self.failures.is_empty() {
            text.push_str("failures:\n");
        }
        for (what, cases) in &self.failures {
            let some: Vec<String> = cases.iter().take(8).map(u64::to_string).collect();
            text.push_str(&format!(
                "  {:>6}  {what} (cases {})\n",
                cases.len(),
                some.join(", ")
            ));
        }
        text
    }
}
