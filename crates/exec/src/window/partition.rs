use std::sync::{Arc, Weak};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, SpillMetrics,
};
use parking_lot::Mutex;
use plimsoll_memory::{Reclaim, TaskMemory};

use crate::batches::{bytes_of, largest_column, overflows_offsets, tidy};
use crate::spill::{Disk, Run, RunFile};

/// What one output partition of the operator may use.
pub(crate) struct Work {
    /// Of the rows that come.
    pub(crate) schema: SchemaRef,
    pub(crate) batch_size: usize,
    /// Takes nothing itself; what is reserved elsewhere is of its consumer.
    memory: MemoryReservation,
    task: Option<Arc<TaskMemory>>,
    disk: Arc<Disk>,
    pub(crate) baseline: BaselineMetrics,
    /// Partitions that went to disk.
    spilled_partitions: Count,
    /// Times that memory was taken back while nobody worked on the rows.
    reclaimed: Count,
}

impl Work {
    pub(crate) fn new(
        partition: usize,
        schema: SchemaRef,
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        let spill = SpillMetrics::new(metrics, partition);
        Self {
            schema,
            batch_size: context.session_config().batch_size().max(1),
            memory: MemoryConsumer::new(format!("Window[{partition}]"))
                .with_can_spill(true)
                .register(context.memory_pool()),
            task: TaskMemory::of(context.memory_pool()),
            disk: Disk::new(context, spill, "a window"),
            baseline: BaselineMetrics::new(metrics, partition),
            spilled_partitions: counter("spilled_partitions"),
            reclaimed: counter("reclaimed"),
        }
    }

    /// A reservation of its own, empty.
    pub(crate) fn reservation(&self) -> MemoryReservation {
        self.memory.new_empty()
    }

    /// Notes what the rows of a partition would take that is on disk: themselves, and while they become one batch their
    /// largest column again, of which `sample` tells how large it is.
    fn note_in_full(&self, run: &Run, sample: &RecordBatch) {
        if let Some(task) = &self.task {
            let largest = largest_column(&[sample.clone(), sample.clone()]) / 2;
            let again = run.bytes as u128 * largest as u128 / bytes_of(sample).max(1) as u128;
            task.would_hold(&self.memory, (run.bytes as u128 + again) as u64);
        }
    }
}

/// The rows of the partition that has begun, until it is complete.
pub(crate) struct Open {
    work: Arc<Work>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Rows,
    /// Why rows could not be written when memory was taken back: the query ends with it.
    failed: Option<DataFusionError>,
}

#[derive(Default)]
enum Rows {
    #[default]
    None,
    InMemory(Vec<RecordBatch>, MemoryReservation),
    OnDisk(Run, Arc<RunFile>),
}

/// The rows of a partition that is complete.
pub(crate) enum Complete {
    /// Batches, with the memory that they take and as much as making them one takes.
    InMemory(Vec<RecordBatch>, MemoryReservation),
    OnDisk(Run),
}

impl Open {
    pub(crate) fn new(work: Arc<Work>) -> Arc<Self> {
        let open = Arc::new(Self {
            work,
            state: Mutex::default(),
        });
        if let Some(task) = &open.work.task {
            let offer: Weak<Self> = Arc::downgrade(&open);
            task.offer(&open.work.memory, offer);
        }
        open
    }

    /// Takes in rows of the partition.
    ///
    /// # Errors
    /// If they cannot be written to disk.
    pub(crate) fn push(&self, rows: RecordBatch) -> Result<()> {
        let rows = tidy(rows)?;
        let bytes = bytes_of(&rows);
        // Held while memory is asked for: whoever wants to reclaim meanwhile finds it taken.
        let mut state = self.state.lock();
        state.check()?;
        if let Rows::None = state.rows {
            state.rows = Rows::InMemory(Vec::new(), self.work.reservation());
        }
        if let Rows::InMemory(batches, memory) = &mut state.rows
            && memory.try_grow(bytes).is_ok()
        {
            batches.push(rows);
            return Ok(());
        }
        state.spill(&self.work)?;
        match &mut state.rows {
            Rows::OnDisk(run, file) => {
                file.append(run, &rows, bytes)?;
                self.work.note_in_full(run, &rows);
                Ok(())
            }
            _ => datafusion::common::internal_err!("rows that were spilled are not on disk"),
        }
    }

    /// The rows, of which there are no more; `None` if there were none.
    ///
    /// # Errors
    /// If they have to go to disk and cannot be written.
    pub(crate) fn complete(&self) -> Result<Option<Complete>> {
        let mut state = self.state.lock();
        state.check()?;
        if let Rows::InMemory(batches, memory) = &state.rows {
            let fits =
                !overflows_offsets(batches) && memory.try_grow(largest_column(batches)).is_ok();
            if !fits {
                state.spill(&self.work)?;
            }
        }
        Ok(match std::mem::take(&mut state.rows) {
            Rows::None => None,
            Rows::InMemory(batches, memory) => Some(Complete::InMemory(batches, memory)),
            Rows::OnDisk(run, _) => Some(Complete::OnDisk(run)),
        })
    }
}

impl State {
    fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Writes what is in memory to disk, and returns how many bytes that freed.
    fn spill(&mut self, work: &Work) -> Result<usize> {
        let Rows::InMemory(batches, memory) = &mut self.rows else {
            return Ok(0);
        };
        let file = RunFile::create(&work.disk, &work.schema)?;
        let mut run = Run::default();
        let sample = batches.last().cloned();
        for batch in batches.drain(..) {
            file.append(&mut run, &batch, bytes_of(&batch))?;
        }
        if let Some(sample) = sample {
            work.note_in_full(&run, &sample);
        }
        let freed = memory.free();
        work.spilled_partitions.add(1);
        self.rows = Rows::OnDisk(run, file);
        Ok(freed)
    }
}

impl Reclaim for Open {
    fn reclaimable(&self) -> u64 {
        match self.state.try_lock().as_deref() {
            Some(State {
                rows: Rows::InMemory(_, memory),
                ..
            }) => memory.size() as u64,
            _ => 0,
        }
    }

    fn reclaim(&self, _bytes: u64) -> u64 {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        match state.spill(&self.work) {
            Ok(0) => 0,
            Ok(freed) => {
                self.work.reclaimed.add(1);
                freed as u64
            }
            Err(error) => {
                // Some rows are lost, so that the query cannot go on: what it held is free.
                let freed = match std::mem::take(&mut state.rows) {
                    Rows::InMemory(_, memory) => memory.size(),
                    _ => 0,
                };
                state.failed = Some(error);
                freed as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use plimsoll_memory::{Region, UnifiedMemory};

    #[tokio::test]
    async fn rows_that_wait_for_the_end_of_their_partition_are_given_back() {
        let task = TaskMemory::new(UnifiedMemory::new(Region::new(1 << 30, 0), Region::EMPTY));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&task) as _)
            .build_arc()
            .unwrap();
        let context = TaskContext::default().with_runtime(runtime);
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5000));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        let metrics = ExecutionPlanMetricsSet::new();
        let work = Arc::new(Work::new(0, batch.schema(), &context, &metrics));
        let open = Open::new(Arc::clone(&work));
        for _ in 0..4 {
            open.push(batch.clone()).unwrap();
        }
        let held = task.usage().held;
        assert!(held >= 4 * 5000 * 8, "{held}");
        assert_eq!(task.reclaim(1), held);
        assert_eq!((task.usage().held, task.reclaim(1)), (0, 0));
        // What comes after goes to disk too.
        open.push(batch).unwrap();
        let Some(Complete::OnDisk(run)) = open.complete().unwrap() else {
            panic!("what was given back is in memory");
        };
        assert_eq!(run.rows, 5 * 5000);
        assert!(open.complete().unwrap().is_none());
        let mut reader = run.reader(8192);
        let mut rows = 0;
        while let Some(batch) = reader.next().await.unwrap() {
            rows += batch.num_rows();
        }
        assert_eq!(rows, run.rows);
    }
}
