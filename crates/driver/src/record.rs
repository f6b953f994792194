use plimsoll_advisor::Advice;
use plimsoll_memory::{Holder, Refusal};
use serde::{Deserialize, Serialize};

use crate::broadcast::BroadcastRecord;

/// How a query ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All its rows were delivered.
    Finished,
    /// It ended with an error.
    Failed,
    /// Whoever asked stopped reading before the last row: Ctrl-C, or a reader that had enough.
    Cancelled,
}

/// What one operator wrote to disk because it was refused memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorSpill {
    /// DataFusion's name of the operator, such as `SortExec`.
    pub operator: String,
    /// Bytes written.
    pub bytes: u64,
    /// Rows written.
    pub rows: u64,
    /// Files written.
    pub files: u64,
}

impl OperatorSpill {
    pub(crate) fn none(operator: &str) -> Self {
        Self {
            operator: operator.to_owned(),
            bytes: 0,
            rows: 0,
            files: 0,
        }
    }
}

/// What is known of a query once it is over. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryRecord {
    /// Its number: the queries of a process are counted from 0 in the order in which they begin, as Spark's
    /// `executionId` counts them.
    pub id: u64,
    /// Its SQL text.
    pub sql: String,
    /// How it ended.
    pub status: Status,
    /// The error, if it failed.
    pub error: Option<String>,
    /// Why it was planned anew with operators that spill, if it was: the refusal that ended the
    /// first attempt.
    pub plan_given_up: Option<String>,
    /// Rows delivered.
    pub rows: u64,
    /// Rows that scans have read.
    pub rows_scanned: u64,
    /// Seconds from the beginning of planning to the end.
    pub seconds: f64,
    /// The most execution memory it held at once.
    pub peak_execution: u64,
    /// The most it would have held at once, had it kept what it wrote to disk for lack of memory.
    pub peak_demand: u64,
    /// The most it held beyond what execution memory had to give; see `TaskMemory`.
    pub peak_overdraft: u64,
    /// The most that was allocated in the whole process while it ran; 0 where nobody counts it.
    pub peak_allocated: u64,
    /// The most that was resident in the whole process while it ran.
    pub peak_resident: u64,
    /// What the process put on disk of large allocations that did not fit under the line, while it ran.
    pub overflowed: u64,
    /// All it wrote to disk for lack of memory.
    pub spilled_bytes: u64,
    /// How many files that were.
    pub spill_files: u64,
    /// Which operators wrote it, most first.
    pub spills: Vec<OperatorSpill>,
    /// What became of the sides of joins that were to be broadcast, those that were given up first: at most
    /// [`NAMED`](Self::NAMED).
    pub broadcasts: Vec<BroadcastRecord>,
    /// Who held execution memory at its peak, largest first: the [`NAMED`](Self::NAMED) that held most.
    pub holders_at_peak: Vec<Holder>,
    /// How many others held some then.
    pub other_holders: u64,
    /// Who was refused execution memory, why it spilled or failed: the [`NAMED`](Self::NAMED) that were refused most
    /// often.
    pub refusals: Vec<Refusal>,
    /// What would have helped, if it spilled or failed for lack of memory: at most three changes, most helpful first.
    pub advice: Vec<Advice>,
}

impl QueryRecord {
    /// How many consumers of memory a record names. A plan has some for each of its operators and threads, and a session
    /// keeps many records.
    pub const NAMED: usize = 8;
}

/// Cuts a text to so many bytes, and marks it where it is cut.
pub(crate) fn cut(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
        text.shrink_to_fit();
    }
}

/// The first [`QueryRecord::NAMED`], in no more room than they take, and how many more there were.
pub(crate) fn named<T>(mut all: Vec<T>) -> (Vec<T>, u64) {
    let others = all.len().saturating_sub(QueryRecord::NAMED);
    all.truncate(QueryRecord::NAMED);
    all.shrink_to_fit();
    (all, others as u64)
}
