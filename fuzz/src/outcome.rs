//! What became of a case.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::coverage::Seen;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All that must hold held.
    Passed,
    /// An operator was refused memory, and the query ended with an error that says so. The rest held.
    Refused(Vec<Refusal>),
    /// No judge knows the answer, for these reasons.
    Skipped(Vec<String>),
    /// Something did not hold.
    Failed(Failure),
}

/// A query that ended because an operator was refused memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Who was refused, as the memory pool knows it: `HashJoinInput`.
    pub consumer: String,
    /// The whole error.
    pub error: String,
}

/// What did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The query, if it was one of them.
    pub query: Option<usize>,
    /// What was found.
    pub what: String,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Other rows than the judge's.
    WrongAnswer,
    /// An error, where the judge has an answer.
    Error,
    /// A refusal where none is allowed.
    Refused,
    /// Not over in time.
    Hang,
    /// Execution memory was held after the last query.
    MemoryLeak,
    /// A spill file was left.
    FileLeak,
    /// A file descriptor was left open.
    DescriptorLeak,
    /// The process died.
    Crash,
    /// DataFusion with plenty of memory and DuckDB do not agree.
    Judges,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailureKind::WrongAnswer => "wrong answer",
            FailureKind::Error => "error",
            FailureKind::Refused => "refused memory",
            FailureKind::Hang => "hang",
            FailureKind::MemoryLeak => "memory leak",
            FailureKind::FileLeak => "spill file left",
            FailureKind::DescriptorLeak => "file descriptor left",
            FailureKind::Crash => "crash",
            FailureKind::Judges => "the judges disagree",
        })
    }
}

/// A case that was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What became of it.
    pub outcome: Outcome,
    /// What its operators did.
    pub seen: Vec<Seen>,
    /// How often DuckDB was asked, and why not.
    pub duckdb: BTreeMap<String, u64>,
    /// Queries whose answers were compared.
    pub compared: u64,
    /// Whether a judge was given up, which may still be at work in the process.
    pub is_judge_left: bool,
}

impl Tried {
    /// A case of this outcome, of which nothing else is known.
    pub fn with(outcome: Outcome) -> Self {
        Self {
            outcome,
            seen: Vec::new(),
            duckdb: BTreeMap::new(),
            compared: 0,
            is_judge_left: false,
        }
    }
}

/// Which refusals are failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Strict {
    /// None: they are counted.
    #[default]
    None,
    /// Those of joins, and known faults of theirs are failures too.
    Joins,
    /// Those of joins, sorts, aggregates and windows, which all can spill, but for what is known to have to fit.
    Ours,
    /// All, and known faults of stock operators are failures too.
    All,
}

/// Words in the names of consumers that are joins.
const JOINS: [&str; 4] = ["Join", "SMJ", "NLJ", "NestedLoop"];

/// Words in those of the other operators of this engine.
const OTHERS: [&str; 3] = ["ExternalSorter", "HashAggregate", "Window"];

impl Refusal {
    /// The refusal that an error tells of.
    pub fn of_error(error: &str) -> Self {
        // Plimsoll's words, then those of DataFusion's own pools.
        let consumer = match error.split_once(" asked for ") {
            Some((before, _)) => before.rsplit(": ").next().unwrap_or(before),
            None => match error.split_once(" for ") {
                Some((_, after)) => after.split(" with ").next().unwrap_or(after),
                None => error.split('.').next().unwrap_or(error),
            },
        };
        let name = consumer.split(['[', '(', '#']).next().unwrap_or(consumer);
        Self {
            consumer: name.trim().chars().take(80).collect(),
            error: error.to_owned(),
        }
    }

    /// Whether a join was refused.
    pub fn is_of_a_join(&self) -> bool {
        JOINS.iter().any(|word| self.consumer.contains(word))
    }

    /// Whether an operator was refused that is this engine's and no stock one.
    pub fn is_of_ours(&self) -> bool {
        self.is_of_a_join() || OTHERS.iter().any(|word| self.consumer.contains(word))
    }
}

impl Strict {
    /// The outcome, with the refusals that are failures made so.
    pub fn judge(self, outcome: Outcome) -> Outcome {
        let Outcome::Refused(refusals) = &outcome else {
            return outcome;
        };
        let refused = refusals.iter().find(|refusal| match self {
            Strict::None => false,
            Strict::Joins => refusal.is_of_a_join(),
            Strict::Ours => refusal.is_of_ours(),
            Strict::All => true,
        });
        match refused {
            None => outcome,
            Some(refusal) => Outcome::Failed(Failure {
                kind: FailureKind::Refused,
                query: None,
                what: refusal.error.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_who_was_refused() {
        let ours = Refusal::of_error(
            "not enough execution memory: HashJoinInput[3] asked for 2.0 MB more execution memory and holds 1.0 MB; …",
        );
        assert_eq!(ours.consumer, "HashJoinInput");
        assert!(ours.is_of_a_join());
        let stock = Refusal::of_error(
            "Failed to allocate additional 1.0 MB for ExternalSorter[0] with 0.0 B already allocated",
        );
        assert_eq!(stock.consumer, "ExternalSorter");
        let failed = |strict: Strict, refusal: &Refusal| {
            matches!(
                strict.judge(Outcome::Refused(vec![refusal.clone()])),
                Outcome::Failed(_)
            )
        };
        assert!(failed(Strict::Joins, &ours) && !failed(Strict::Joins, &stock));
        assert!(failed(Strict::All, &stock) && !failed(Strict::None, &ours));
        let merge = Refusal::of_error("SortPreservingMergeExec[0] asked for 1.0 MB more; …");
        let groups = Refusal::of_error("PartialHashAggregate[0] asked for 1.0 MB more; …");
        assert!(failed(Strict::Ours, &ours) && failed(Strict::Ours, &groups));
        assert!(failed(Strict::All, &merge) && !failed(Strict::Ours, &merge));
    }
}
