use std::sync::{Arc, Weak};

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, SpillMetrics,
};
use parking_lot::Mutex;
use plimsoll_memory::{Reclaim, TaskMemory};

use super::parts::Parts;
use super::table::{Spec, Table};
use crate::spill::{Disk, Run};

/// What a table takes whether there is memory or not, in bytes: the least that an operator works with.
pub(crate) const LEAST: usize = 256 << 10;

/// How often a partition is cut again before it is taken to be beyond it.
const MOST_DEPTH: usize = 8;

/// What one output partition of the operator may use.
pub(crate) struct Work {
    pub(crate) spec: Arc<Spec>,
    pub(crate) batch_size: usize,
    /// How many partitions go to disk at a time, if each gets rows worth writing.
    pub(crate) partitions: usize,
    /// Takes nothing itself; what is reserved elsewhere is of its consumer.
    memory: MemoryReservation,
    task: Option<Arc<TaskMemory>>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) baseline: BaselineMetrics,
    pub(crate) skip: Skip,
    /// Rows that were handed on as they are, since there were nearly as many groups.
    pub(crate) skipped: Count,
    /// Times that all groups went to disk.
    spills: Count,
    /// How often they were cut into partitions, the deepest.
    pub(crate) depth: Gauge,
    /// Times that memory was taken back while nobody worked on the groups.
    reclaimed: Count,
    in_full: Mutex<InFull>,
}

/// What all groups would take, had none gone to disk, in bytes.
#[derive(Default)]
struct InFull {
    /// As far as it can be told from how many there are, and what one of them took when it went to disk.
    estimate: usize,
    /// What those take that have come back and are complete.
    complete: usize,
}

/// When groups are not worth being looked for before the rows are brought together: DataFusion's settings
/// `skip_partial_aggregation_probe_*`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Skip {
    /// Rows after which it is decided.
    pub(crate) rows: usize,
    /// Groups for each row from which on it is not.
    pub(crate) ratio: f64,
}

impl Work {
    /// A reservation of its own, empty.
    pub(crate) fn reservation(&self) -> MemoryReservation {
        self.memory.new_empty()
    }

    pub(crate) fn new(
        partition: usize,
        spec: Spec,
        partitions: usize,
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Arc<Self> {
        let build = || MetricBuilder::new(metrics);
        let spill = SpillMetrics::new(metrics, partition);
        let execution = &context.session_config().options().execution;
        let name = match spec.is_partial {
            true => "PartialHashAggregate",
            false => "HashAggregate",
        };
        Arc::new(Self {
            spec: Arc::new(spec),
            batch_size: context.session_config().batch_size().max(1),
            partitions,
            memory: MemoryConsumer::new(format!("{name}[{partition}]"))
                .with_can_spill(true)
                .register(context.memory_pool()),
            task: TaskMemory::of(context.memory_pool()),
            disk: Disk::new(context, spill, "an aggregate"),
            baseline: BaselineMetrics::new(metrics, partition),
            skip: Skip {
                rows: execution.skip_partial_aggregation_probe_rows_threshold,
                ratio: execution.skip_partial_aggregation_probe_ratio_threshold,
            },
            skipped: build().counter("skipped_aggregation_rows", partition),
            spills: build().counter("spills", partition),
            depth: build().gauge("depth", partition),
            reclaimed: build().counter("reclaimed", partition),
            in_full: Mutex::default(),
        })
    }

    /// Notes what is known by now of what all groups would take.
    fn note_in_full(&self, note: impl FnOnce(&mut InFull)) {
        if let Some(task) = &self.task {
            let mut in_full = self.in_full.lock();
            note(&mut in_full);
            let bytes = in_full.estimate.max(in_full.complete);
            task.would_hold(&self.memory, bytes as u64);
        }
    }
}

/// Groups as they come: those of the operator's input, or those of a partition that was on disk.
pub(crate) struct Intake {
    work: Arc<Work>,
    depth: usize,
    state: Mutex<State>,
}

struct State {
    table: Table,
    parts: Option<Parts>,
    /// Covers the table.
    memory: MemoryReservation,
    /// Why groups could not be written when memory was taken back: the query ends with it.
    failed: Option<DataFusionError>,
}

/// What has come of all rows.
pub(crate) enum Complete {
    /// The result, and the memory that it takes.
    Values(RecordBatch, MemoryReservation),
    /// States of groups on disk, each of which is in one run only.
    OnDisk(Vec<Run>),
}

impl Intake {
    /// For groups that were cut into partitions `depth` times.
    ///
    /// # Errors
    /// If there is a function that cannot be run.
    pub(crate) fn new(work: &Arc<Work>, depth: usize) -> Result<Arc<Self>> {
        let intake = Arc::new(Self {
            work: Arc::clone(work),
            depth,
            state: Mutex::new(State {
                table: Table::new(&work.spec)?,
                parts: None,
                memory: work.reservation(),
                failed: None,
            }),
        });
        if let Some(task) = &work.task {
            let offer: Weak<Self> = Arc::downgrade(&intake);
            task.offer(&work.memory, offer);
        }
        Ok(intake)
    }

    /// Takes in a batch of the operator's input.
    ///
    /// # Errors
    /// Those of the functions, of the disk, and if one group alone does not fit.
    pub(crate) fn push(&self, batch: &RecordBatch) -> Result<()> {
        let mut state = self.state.lock();
        state.check()?;
        state.table.take_in(batch)?;
        state.reserve(self)
    }

    /// Takes in a batch of states from disk.
    ///
    /// # Errors
    /// Those of the functions, of the disk, and if one group alone does not fit.
    pub(crate) fn push_states(&self, states: &RecordBatch) -> Result<()> {
        let mut state = self.state.lock();
        state.check()?;
        state.table.take_in_states(states)?;
        state.reserve(self)
    }

    /// What has come of all rows, of which there are no more.
    ///
    /// # Errors
    /// Those of the functions and of the disk.
    pub(crate) fn complete(&self) -> Result<Complete> {
        let mut state = self.state.lock();
        state.check()?;
        if state.parts.is_some() {
            state.spill(self)?;
        }
        Ok(match state.parts.take() {
            Some(parts) => Complete::OnDisk(parts.into_runs()),
            None => {
                if self.depth > 0 {
                    let bytes = state.table.size();
                    self.work.note_in_full(|all| all.complete += bytes);
                }
                let values = state.table.take_values()?;
                let memory = state.memory.take();
                Complete::Values(values, memory)
            }
        })
    }
}

impl State {
    fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Reserves what the table takes by now, or sends it to disk.
    fn reserve(&mut self, intake: &Intake) -> Result<()> {
        if self.memory.try_resize(self.table.size()).is_ok() {
            return Ok(());
        }
        self.table.forget_batch();
        let size = self.table.size();
        if size <= LEAST {
            self.memory.resize(size);
            return Ok(());
        }
        if !self.can_be_cut(intake.depth) {
            return self.memory.try_resize(size);
        }
        self.spill(intake)
    }

    /// Whether writing the groups can make fewer of them at a time: of one group that has come from disk, it cannot.
    fn can_be_cut(&self, depth: usize) -> bool {
        depth < MOST_DEPTH && (depth == 0 || self.table.len() > 1)
    }

    fn parts(&mut self, intake: &Intake) -> Result<&mut Parts> {
        let size = self.table.size();
        Ok(match &mut self.parts {
            Some(parts) => parts,
            none => none.insert(Parts::new(&intake.work, intake.depth, size)?),
        })
    }

    /// Writes all groups to disk.
    fn spill(&mut self, intake: &Intake) -> Result<()> {
        let groups = self.table.len();
        if groups > 0 {
            let bytes = self.table.size();
            self.parts(intake)?;
            let states = self.table.take_states()?;
            let parts = self.parts(intake)?;
            parts.write(&states)?;
            intake.work.spills.add(1);
            if intake.depth == 0 {
                // Of a table that has just grown too large a group takes as much as it ever does.
                let estimate = (parts.groups() as u128 * bytes as u128 / groups as u128) as usize;
                intake
                    .work
                    .note_in_full(|all| all.estimate = all.estimate.max(estimate));
            }
        }
        self.memory.resize(self.table.size());
        Ok(())
    }
}

impl Reclaim for Intake {
    fn reclaimable(&self) -> u64 {
        match self.state.try_lock() {
            Some(state) if state.table.len() > 0 && state.can_be_cut(self.depth) => {
                let held = state.memory.size();
                if held > LEAST { held as u64 } else { 0 }
            }
            _ => 0,
        }
    }

    fn reclaim(&self, _bytes: u64) -> u64 {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        // Without a file to write to nothing is lost: whoever wanted the memory is refused.
        if !state.can_be_cut(self.depth) || state.parts(self).is_err() {
            return 0;
        }
        let before = state.memory.size();
        if let Err(error) = state.spill(self) {
            // Some groups are lost, so that the query cannot go on: what they held is free.
            state.failed = Some(error);
            state.memory.free();
        }
        self.work.reclaimed.add(1);
        before.saturating_sub(state.memory.size()) as u64
    }
}
