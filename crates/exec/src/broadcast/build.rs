//! What a broadcast is built and kept in.

use std::fmt;
use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::human_readable_size;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder};
use parking_lot::Mutex;
use plimsoll_memory::{
    DriverAccount, DriverMemory, DriverUse, MemoryMode, PinnedStorage, UnifiedMemory,
};

use super::choice::BroadcastChoice;

/// Whose books broadcasts are on. It goes with a query as an extension of its `SessionConfig`; the broadcast joins of a query
/// without it hold execution memory, as others do.
#[derive(Debug)]
pub struct BroadcastMemory {
    driver: Arc<DriverMemory>,
    storage: Arc<UnifiedMemory>,
    largest: u64,
}

impl BroadcastMemory {
    /// Broadcasts are built in the driver's part and live in storage memory, each of at most `largest` bytes
    /// (`spark.sql.maxBroadcastTableSize`).
    pub fn new(driver: Arc<DriverMemory>, storage: Arc<UnifiedMemory>, largest: u64) -> Self {
        Self {
            driver,
            storage,
            largest,
        }
    }
}

/// What became of a broadcast. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastOutcome {
    /// The keys of the join, such as `k = id`.
    pub keys: String,
    /// Which side, and why.
    pub choice: BroadcastChoice,
    /// What it takes in storage memory, rows and index; or how far it had come when it was given up.
    pub bytes: u64,
    /// What it did not fit in, if it was given up.
    pub given_up: Option<String>,
}

/// The broadcast of a join in a plan.
#[derive(Debug)]
pub(crate) struct Broadcast {
    pub(crate) choice: BroadcastChoice,
    outcome: Mutex<Option<BroadcastOutcome>>,
}

impl Broadcast {
    pub(crate) fn new(choice: BroadcastChoice) -> Arc<Self> {
        Arc::new(Self {
            choice,
            outcome: Mutex::default(),
        })
    }

    pub(crate) fn outcome(&self) -> Option<BroadcastOutcome> {
        self.outcome.lock().clone()
    }
}

/// A broadcast that is being built.
pub(crate) struct Building {
    memory: Arc<BroadcastMemory>,
    broadcast: Arc<Broadcast>,
    keys: String,
    bytes: Gauge,
    given_up: Count,
}

impl Building {
    /// `None` where there are no books for broadcasts.
    pub(crate) fn new(
        broadcast: &Arc<Broadcast>,
        keys: String,
        partition: usize,
        metrics: &ExecutionPlanMetricsSet,
        context: &TaskContext,
    ) -> Option<Self> {
        let memory = context
            .session_config()
            .get_extension::<BroadcastMemory>()?;
        let build = || MetricBuilder::new(metrics);
        Some(Self {
            memory,
            broadcast: Arc::clone(broadcast),
            keys,
            bytes: build().peak_memory_usage("broadcast_bytes", partition),
            given_up: build().counter("broadcast_given_up", partition),
        })
    }

    /// What the driver holds for it: nothing yet.
    pub(crate) fn on_drivers_books(&self) -> DriverAccount {
        self.memory.driver.account(DriverUse::Broadcasts)
    }

    /// Whether it may be as large as this at all.
    pub(crate) fn may_hold(&self, bytes: usize) -> bool {
        bytes as u64 <= self.memory.largest
    }

    /// Storage memory for all of it.
    pub(crate) fn store(&self, bytes: usize) -> Option<PinnedStorage> {
        PinnedStorage::acquire(&self.memory.storage, bytes as u64)
    }

    /// It is built, and takes this much.
    pub(crate) fn is_stored(&self, bytes: usize) {
        self.bytes.set(bytes);
        self.tell(bytes, None);
    }

    /// It did not fit, when it had come so far.
    pub(crate) fn give_up(&self, bytes: usize, lacking: Lacking) {
        self.given_up.add(1);
        self.tell(bytes, Some(self.describe(lacking)));
    }

    fn tell(&self, bytes: usize, given_up: Option<String>) {
        *self.broadcast.outcome.lock() = Some(BroadcastOutcome {
            keys: self.keys.clone(),
            choice: self.broadcast.choice,
            bytes: bytes as u64,
            given_up,
        });
    }

    fn describe(&self, lacking: Lacking) -> String {
        let size = |bytes: u64| human_readable_size(bytes as usize);
        match lacking {
            Lacking::Drivers => {
                let usage = self.memory.driver.usage();
                let (limit, free) = (size(usage.limit), size(usage.free()));
                format!("the driver's part ({free} of {limit} were free)")
            }
            Lacking::Storage => {
                let region = self.memory.storage.storage_region(MemoryMode::OnHeap);
                let pools = self.memory.storage.pools(MemoryMode::OnHeap);
                format!(
                    "storage memory ({} for what is not evicted, {} held by execution)",
                    size(region),
                    size(pools.execution_used)
                )
            }
            Lacking::Allowed => format!(
                "spark.sql.maxBroadcastTableSize ({})",
                size(self.memory.largest)
            ),
            Lacking::OneTable => "one table, of at most 4294967295 rows".to_owned(),
        }
    }
}

impl fmt::Debug for Building {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Building")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// What a broadcast did not fit in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// The driver's part.
    Drivers,
    /// Storage memory.
    Storage,
    /// `spark.sql.maxBroadcastTableSize`.
    Allowed,
    /// What can be a table at all, by rows or by the length of a column.
    OneTable,
}
