use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, MetricBuilder, SpillMetrics,
};
use parking_lot::Mutex;
use plimsoll_memory::{Reclaim, TaskMemory};

use crate::batches::{bytes_of, tidy};
use crate::reserve::take_at_least;
use crate::spill::{Disk, Run, RunFile};

/// Bytes of rows after which another file is begun: one is gone when all its rows are.
const FILE_BYTES: usize = 256 << 20;

/// Rows in the order they came, until what the functions come to is known of them.
///
/// They wait in memory as far as there is any, and on disk from where it was refused, or taken back.
pub(crate) struct Waiting {
    schema: SchemaRef,
    memory: MemoryReservation,
    task: Option<Arc<TaskMemory>>,
    disk: Arc<Disk>,
    /// Batches that went to disk.
    spilled_batches: Count,
    /// Times that memory was taken back.
    reclaimed: Count,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Batch>,
    /// Bytes that all of them would take in memory.
    bytes: usize,
    file: Option<(Arc<RunFile>, usize)>,
    /// Why rows could not be written when memory was taken back: the query ends with it.
    failed: Option<DataFusionError>,
}

enum Batch {
    /// With the bytes reserved for it.
    InMemory(RecordBatch, usize),
    OnDisk(Run),
}

impl Waiting {
    pub(crate) fn new(
        partition: usize,
        schema: SchemaRef,
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Arc<Self> {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        let spill = SpillMetrics::new(metrics, partition);
        let waiting = Arc::new(Self {
            schema,
            memory: MemoryConsumer::new(format!("WindowRows[{partition}]"))
                .with_can_spill(true)
                .register(context.memory_pool()),
            task: TaskMemory::of(context.memory_pool()),
            disk: Disk::new(context, spill, "a window"),
            spilled_batches: counter("spilled_batches"),
            reclaimed: counter("reclaimed"),
            state: Mutex::default(),
        });
        if let Some(task) = &waiting.task {
            let offer: Weak<Self> = Arc::downgrade(&waiting);
            task.offer(&waiting.memory, offer);
        }
        waiting
    }

    /// Takes in rows.
    ///
    /// # Errors
    /// If they cannot be written to disk.
    pub(crate) fn push(&self, rows: RecordBatch) -> Result<()> {
        let rows = tidy(rows)?;
        let bytes = bytes_of(&rows);
        // Held while memory is asked for: whoever wants to reclaim meanwhile finds it taken.
        let mut state = self.state.lock();
        state.check()?;
        state.bytes += bytes;
        if self.memory.size() < bytes {
            // Hardly any are here: these are on their way already.
            take_at_least(&self.memory, bytes);
        } else if self.memory.try_grow(bytes).is_err() {
            let run = self.write(&mut state, &rows, bytes)?;
            state.batches.push_back(Batch::OnDisk(run));
            if let Some(task) = &self.task {
                task.would_hold(&self.memory, state.bytes as u64);
            }
            return Ok(());
        }
        state.batches.push_back(Batch::InMemory(rows, bytes));
        Ok(())
    }

    /// The first rows, as one batch.
    ///
    /// # Errors
    /// If there are not as many, or they cannot be read from disk.
    pub(crate) async fn take(&self, rows: usize) -> Result<RecordBatch> {
        let mut pieces = Vec::new();
        let mut missing = rows;
        while missing > 0 {
            let (batch, bytes) = self.first().await?;
            let count = batch.num_rows();
            let mut state = self.state.lock();
            if count > missing {
                let rest = tidy(batch.slice(missing, count - missing))?;
                let left = bytes_of(&rest).min(bytes);
                state.bytes = state.bytes.saturating_sub(bytes - left);
                self.memory.shrink(bytes - left);
                state.batches.push_front(Batch::InMemory(rest, left));
                pieces.push(batch.slice(0, missing));
                missing = 0;
            } else {
                state.bytes = state.bytes.saturating_sub(bytes);
                self.memory.shrink(bytes);
                pieces.push(batch);
                missing -= count;
            }
        }
        match pieces.as_slice() {
            [only] => Ok(only.clone()),
            several => Ok(concat_batches(&self.schema, several)?),
        }
    }

    /// The first batch, in memory, and the bytes reserved for it.
    async fn first(&self) -> Result<(RecordBatch, usize)> {
        let first = {
            let mut state = self.state.lock();
            state.check()?;
            state.batches.pop_front()
        };
        let run = match first {
            Some(Batch::InMemory(batch, bytes)) => return Ok((batch, bytes)),
            Some(Batch::OnDisk(run)) => run,
            None => return datafusion::common::internal_err!("a window has more values than rows"),
        };
        take_at_least(&self.memory, run.bytes);
        match run.one_by_one().next().await? {
            Some(batch) => Ok((batch, run.bytes)),
            None => datafusion::common::internal_err!("rows that were spilled are not on disk"),
        }
    }

    fn write(&self, state: &mut State, rows: &RecordBatch, bytes: usize) -> Result<Run> {
        let (file, written) = match &mut state.file {
            Some(file) if file.1 < FILE_BYTES => file,
            file => file.insert((RunFile::create(&self.disk, &self.schema)?, 0)),
        };
        let mut run = Run::default();
        file.append(&mut run, rows, bytes)?;
        *written += bytes;
        self.spilled_batches.add(1);
        Ok(run)
    }

    /// Writes what is in memory to disk, and returns how many bytes that freed.
    fn spill(&self, state: &mut State) -> Result<usize> {
        let mut freed = 0;
        for place in 0..state.batches.len() {
            if let Batch::InMemory(rows, bytes) = &state.batches[place] {
                let (rows, bytes) = (tidy(rows.clone())?, *bytes);
                state.batches[place] = Batch::OnDisk(self.write(state, &rows, bytes)?);
                self.memory.shrink(bytes);
                freed += bytes;
            }
        }
        Ok(freed)
    }
}

impl State {
    fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl Reclaim for Waiting {
    fn reclaimable(&self) -> u64 {
        match self.state.try_lock() {
            Some(_) => self.memory.size() as u64,
            None => 0,
        }
    }

    fn reclaim(&self, _bytes: u64) -> u64 {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        match self.spill(&mut state) {
            Ok(0) => 0,
            Ok(freed) => {
                self.reclaimed.add(1);
                freed as u64
            }
            Err(error) => {
                // Some rows are lost, so that the query cannot go on.
                state.failed = Some(error);
                0
            }
        }
    }
}
