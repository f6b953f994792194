//! The memory of a process at one moment, for whoever watches it.

use plimsoll_memory::{DriverUsage, MemoryMode, PoolSizes, Sample, Steps};
use serde::Serialize;

use crate::query::{Progress, Query};
use crate::shared::Shared;

/// Who holds what at one moment. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryFigures {
    /// What the process may have resident.
    pub line: u64,
    /// What it has resident and allocated.
    pub held: Sample,
    /// What execution and storage may hold now, of all regions; none where nobody counts what is allocated.
    pub allowance: Option<u64>,
    /// The on-heap region.
    pub on_heap: PoolSizes,
    /// The off-heap region: all 0 unless `spark.memory.offHeap.enabled`.
    pub off_heap: PoolSizes,
    /// What other parts of the line lend to execution.
    pub lent: PoolSizes,
    /// Allocated beyond what anybody reserved and what the engine held before anything ran: user memory. 0 where nobody
    /// counts.
    pub user: u64,
    /// What the driver holds, by use.
    pub driver: DriverUsage,
    /// The queries that are not over, oldest first.
    pub running: Vec<RunningQuery>,
    /// What was done so far to stay under the line.
    pub steps: Steps,
}

/// A query that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunningQuery {
    /// The number of the session that runs it.
    pub session: u64,
    /// Its SQL text, or what stands for it.
    pub description: String,
    /// How far it has come, and what it holds.
    #[serde(flatten)]
    pub progress: Progress,
}

impl RunningQuery {
    fn of(query: &Query) -> Self {
        Self {
            session: query.session(),
            description: query.description().to_owned(),
            progress: query.progress(),
        }
    }
}

impl MemoryFigures {
    pub(crate) fn of(shared: &Shared, line: u64) -> Self {
        let memory = &shared.memory;
        let held = shared.pressure.meter().now();
        let reserved = memory.in_use() + shared.pressure.part_peaks().engine;
        let running = shared.status.running();
        Self {
            line,
            held,
            allowance: memory.allowance(),
            on_heap: memory.pools(MemoryMode::OnHeap),
            off_heap: memory.pools(MemoryMode::OffHeap),
            lent: memory.pools(MemoryMode::Lent),
            user: held.allocated.saturating_sub(reserved),
            driver: shared.driver.usage(),
            running: running
                .iter()
                .map(|query| RunningQuery::of(query))
                .collect(),
            steps: shared.pressure.steps(),
        }
    }
}
