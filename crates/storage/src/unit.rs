//! What is computed together, and lost together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, internal_err};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::block::Block;
use crate::bounds::Bounds;
use crate::dataset::Core;

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened to the blocks of a dataset.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) in_memory: Counter,
    pub(crate) on_disk: Counter,
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) evictions: Counter,
    pub(crate) disk_reads: Counter,
    pub(crate) recomputes: Counter,
}

/// A partition that is there.
pub(crate) struct Filled {
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) bounds: Option<Bounds>,
    pub(crate) rows: u64,
    /// What its blocks took in memory, or would have taken there, when it was computed.
    pub(crate) bytes: u64,
}

/// How far a unit is.
#[derive(Clone)]
pub(crate) enum Stage {
    Filling,
    Ready,
    Failed(Arc<DataFusionError>),
}

/// Who needs a unit.
#[derive(Default)]
struct Life {
    /// Those who read rows.
    readers: usize,
    /// Those who only want to know how many there are, or that they are there.
    counters: usize,
    /// Some of its blocks are gone: it can be read no more.
    lost: bool,
}

/// Partitions that are computed together and lost together.
pub(crate) struct Unit {
    core: Arc<Core>,
    partitions: Vec<OnceLock<Filled>>,
    stage: watch::Sender<Stage>,
    life: Mutex<Life>,
    /// What computes it, which ends when nobody needs it any more.
    filler: Mutex<Option<SpawnedTask<()>>>,
}

impl Unit {
    pub(crate) fn new(core: Arc<Core>, partitions: usize) -> Arc<Self> {
        Arc::new(Self {
            core,
            partitions: (0..partitions).map(|_| OnceLock::new()).collect(),
            stage: watch::Sender::new(Stage::Filling),
            life: Mutex::default(),
            filler: Mutex::default(),
        })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Whether a block that does not fit into memory goes to disk, for its level or for whoever reads it.
    pub(crate) fn goes_to_disk(&self) -> bool {
        self.core.level.disk || self.life.lock().readers > 0
    }

    /// Gives up blocks of it, unless somebody reads them; says whether it did.
    pub(crate) fn lose(&self) -> bool {
        let mut life = self.life.lock();
        life.lost |= life.readers == 0;
        life.lost
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.life.lock().lost
    }

    /// The blocks of the partitions that are there.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Arc<Block>> {
        let filled = self.partitions.iter().filter_map(OnceLock::get);
        filled.flat_map(|filled| filled.blocks.iter().map(Arc::clone))
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Filled> {
        self.partitions.iter().filter_map(OnceLock::get)
    }

    pub(crate) fn partition(&self, at: usize) -> Result<&Filled> {
        match self.partitions.get(at).and_then(OnceLock::get) {
            Some(filled) => Ok(filled),
            None => internal_err!("partition {at} of a cached table is not there"),
        }
    }

    /// Whether all of it was computed, whatever became of it.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Ready)
    }

    /// Whether all of it is there.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_computed() && !self.is_lost()
    }

    /// Whether it is there or will be.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(*self.stage.borrow(), Stage::Failed(_)) && !self.is_lost()
    }

    /// Begins to need it; none if it can no longer be read.
    pub(crate) fn enter(self: &Arc<Self>, reads_rows: bool) -> Option<Visit> {
        let mut life = self.life.lock();
        if life.lost || matches!(*self.stage.borrow(), Stage::Failed(_)) {
            return None;
        }
        match reads_rows {
            true => life.readers += 1,
            false => life.counters += 1,
        }
        Some(Visit {
            unit: Arc::clone(self),
            reads_rows,
        })
    }

    /// The first one to need it, which is going to compute it.
    pub(crate) fn enter_first(self: &Arc<Self>, reads_rows: bool) -> Visit {
        let mut life = self.life.lock();
        match reads_rows {
            true => life.readers += 1,
            false => life.counters += 1,
        }
        Visit {
            unit: Arc::clone(self),
            reads_rows,
        }
    }

    /// Names what computes it.
    pub(crate) fn set_filler(&self, filler: SpawnedTask<()>) {
        *self.filler.lock() = Some(filler);
    }

    pub(crate) fn fill(&self, partition: usize, filled: Filled) -> Result<()> {
        match self.partitions[partition].set(filled) {
            Ok(()) => Ok(()),
            Err(_) => internal_err!("partition {partition} of a cached table was computed twice"),
        }
    }

    /// Ends the computation.
    pub(crate) fn end(&self, outcome: Result<()>) {
        self.stage.send_replace(match outcome {
            Ok(()) => Stage::Ready,
            Err(error) => Stage::Failed(Arc::new(error)),
        });
    }

    /// Lets go of the blocks: nobody will read them.
    fn clear(&self) {
        for block in self.blocks() {
            self.core.store.drop_block(&block);
        }
    }

    fn leave(&self, read_rows: bool) {
        let mut life = self.life.lock();
        match read_rows {
            true => life.readers -= 1,
            false => life.counters -= 1,
        }
        if life.readers + life.counters > 0 {
            return;
        }
        let is_unfinished = !matches!(*self.stage.borrow(), Stage::Ready);
        // Blocks that went to disk for a reader alone.
        let is_incomplete =
            !self.core.level.disk && self.blocks().any(|block| block.is_only_on_disk());
        life.lost |= is_unfinished || is_incomplete;
        let is_lost = life.lost;
        drop(life);
        if is_unfinished {
            // Dropped outside of the lock: with it go blocks.
            let filler = self.filler.lock().take();
            drop(filler);
        }
        if is_lost {
            self.clear();
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.clear();
        let bounds = self
            .partitions()
            .filter_map(|filled| filled.bounds.as_ref());
        let bytes = bounds.map(Bounds::bytes).sum();
        self.core.counters.in_memory.sub(bytes);
        self.core.store.give_back(bytes, self.core.mode());
    }
}

/// Somebody who needs a unit. What it reads stays until this is dropped.
pub(crate) struct Visit {
    unit: Arc<Unit>,
    reads_rows: bool,
}

impl Visit {
    pub(crate) fn unit(&self) -> &Arc<Unit> {
        &self.unit
    }

    /// Waits until all of the unit is there.
    ///
    /// # Errors
    /// What the computation failed with.
    pub(crate) async fn ready(&self) -> Result<()> {
        let mut stage = self.unit.stage.subscribe();
        // The sender is in the unit, which this keeps.
        let ended = stage
            .wait_for(|stage| !matches!(stage, Stage::Filling))
            .await;
        match ended.as_deref() {
            Ok(Stage::Failed(error)) => Err(DataFusionError::Shared(Arc::clone(error))),
            _ => Ok(()),
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.unit.leave(self.reads_rows);
    }
}
