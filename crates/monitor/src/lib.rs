//! A run's record, told: who held what at peak, what was spilled and why.

mod text;

use plimsoll_conf::MemoryLayout;
use plimsoll_driver::{QueryRecord, Session};
use serde::Serialize;

/// What a run comes to, for the end of it. Sizes are in bytes; as JSON it is one object.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The line.
    pub line: u64,
    /// The layout in force at the end, in the fields of `plimsoll memory --format json`.
    pub layout: MemoryLayout,
    /// The highest figures of the whole run.
    pub peak: Peak,
    /// The queries, oldest first.
    pub queries: Vec<QueryRecord>,
    /// How many older queries are left out of `queries`; the peaks include them.
    pub queries_left_out: u64,
}

/// The highest figures of a run, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// Resident memory of the process that the kernel cannot take back.
    pub resident: u64,
    /// Execution memory that one query held.
    pub execution: u64,
}

impl Report {
    /// The report of a session, as of now.
    pub fn of(session: &Session) -> Self {
        let history = session.history();
        let layout = session.layout();
        Self {
            line: layout.line.bytes,
            layout,
            peak: Peak {
                resident: session.peak_resident(),
                execution: history.peak_execution(),
            },
            queries: history.records().cloned().collect(),
            queries_left_out: history.forgotten(),
        }
    }
}
