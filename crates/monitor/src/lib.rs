//! A run's record, told: who held what at peak, what was spilled and why.

mod text;

use plimsoll_conf::MemoryLayout;
use plimsoll_driver::{Advice, CachedPlan, QueryRecord, Session};
use plimsoll_memory::{DriverUsage, PartPeaks, Steps};
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
    /// What was done to stay under the line.
    pub steps: Steps,
    /// What the driver held: results, broadcasts while they were built, metadata.
    pub driver: DriverUsage,
    /// What is cached, and what that cost and saved.
    pub cached: Vec<CachedPlan>,
    /// The queries, oldest first.
    pub queries: Vec<QueryRecord>,
    /// How many older queries are left out of `queries`; the peaks include them.
    pub queries_left_out: u64,
    /// What would have helped: at most three changes, most helpful first.
    pub advice: Vec<Advice>,
}

/// The highest figures of a run, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// Resident memory of the process that the kernel cannot take back.
    pub resident: u64,
    /// Bytes allocated in the process; 0 where nobody counts them.
    pub allocated: u64,
    /// Large allocations that were on disk because they did not fit under the line.
    pub overflow: u64,
    /// Execution memory that one query held.
    pub execution: u64,
    /// What each part of the line held.
    pub parts: PartPeaks,
}

impl Report {
    /// The report of a session, as of now.
    pub fn of(session: &Session) -> Self {
        let history = session.history();
        let layout = session.layout();
        let pressure = session.pressure();
        let most = pressure.meter().peak();
        Self {
            line: layout.line.bytes,
            layout,
            peak: Peak {
                resident: most.resident,
                allocated: most.allocated,
                overflow: most.overflow,
                execution: history.peak_execution(),
                parts: pressure.part_peaks(),
            },
            steps: pressure.steps(),
            driver: session.driver_memory(),
            cached: session.cached(),
            queries: history.records().collect(),
            queries_left_out: history.forgotten(),
            advice: session.advice(),
        }
    }
}
