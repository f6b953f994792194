//! Rows that wait, in memory as long as it is neither refused nor taken back, and on disk from then on.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use parking_lot::Mutex;
use plimsoll_memory::{Reclaim, TaskMemory};

use crate::batches::{bytes_of, largest_column, overflows_offsets, tidy};
use crate::spill::{Disk, Run, RunFile, RunReader};

/// Where rows wait: the memory of one consumer, and a disk. It is for one [`Waiting`] at a time.
pub(crate) struct Room {
    schema: SchemaRef,
    batch_size: usize,
    /// Takes nothing itself; what is reserved elsewhere is of its consumer.
    memory: MemoryReservation,
    task: Option<Arc<TaskMemory>>,
    disk: Arc<Disk>,
    use_of_rows: UseOfRows,
    /// How often rows went to disk.
    spilled: Count,
    /// How often memory was taken back while nobody worked on the rows.
    reclaimed: Count,
}

/// What becomes of rows when there are no more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UseOfRows {
    /// They are read in the batches in which they came.
    AsTheyAre,
    /// They become one batch, for which their largest column is held twice.
    AsOneBatch,
}

impl Room {
    /// Memory under the name `consumer`, and a counter of the name `spilled` for how often rows went to disk.
    pub(crate) fn new(
        (consumer, spilled): (String, &'static str),
        use_of_rows: UseOfRows,
        schema: &SchemaRef,
        disk: &Arc<Disk>,
        context: &TaskContext,
        metrics: (&ExecutionPlanMetricsSet, usize),
    ) -> Arc<Self> {
        let (metrics, partition) = metrics;
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Arc::new(Self {
            schema: Arc::clone(schema),
            batch_size: context.session_config().batch_size().max(1),
            memory: MemoryConsumer::new(consumer)
                .with_can_spill(true)
                .register(context.memory_pool()),
            task: TaskMemory::of(context.memory_pool()),
            disk: Arc::clone(disk),
            use_of_rows,
            spilled: counter(spilled),
            reclaimed: counter("reclaimed"),
        })
    }

    /// A reservation of its own, empty.
    pub(crate) fn reservation(&self) -> MemoryReservation {
        self.memory.new_empty()
    }

    /// Notes what rows would take that are on disk: themselves, and where they become one batch their largest column
    /// again, of which `sample` tells how large it is.
    fn note_in_full(&self, run: &Run, sample: &RecordBatch) {
        let Some(task) = &self.task else {
            return;
        };
        let again = match self.use_of_rows {
            UseOfRows::AsTheyAre => 0,
            UseOfRows::AsOneBatch => {
                let largest = largest_column(&[sample.clone(), sample.clone()]) / 2;
                run.bytes as u128 * largest as u128 / bytes_of(sample).max(1) as u128
            }
        };
        task.would_hold(&self.memory, (run.bytes as u128 + again) as u64);
    }
}

/// Rows to which others are added, until there are no more.
pub(crate) struct Waiting {
    room: Arc<Room>,
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
    InMemory(VecDeque<RecordBatch>, MemoryReservation),
    OnDisk(Run, Arc<RunFile>),
}

/// All rows.
pub(crate) enum Complete {
    /// Batches, with the memory that they take and as much as what becomes of them takes.
    InMemory(Vec<RecordBatch>, MemoryReservation),
    OnDisk(Run),
}

impl Waiting {
    pub(crate) fn new(room: &Arc<Room>) -> Arc<Self> {
        let waiting = Arc::new(Self {
            room: Arc::clone(room),
            state: Mutex::default(),
        });
        if let Some(task) = &room.task {
            let offer: Weak<Self> = Arc::downgrade(&waiting);
            task.offer(&room.memory, offer);
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
        if let Rows::None = state.rows {
            state.rows = Rows::InMemory(VecDeque::new(), self.room.reservation());
        }
        if let Rows::InMemory(batches, memory) = &mut state.rows
            && memory.try_grow(bytes).is_ok()
        {
            batches.push_back(rows);
            return Ok(());
        }
        state.spill(&self.room)?;
        match &mut state.rows {
            Rows::OnDisk(run, file) => {
                file.append(run, &rows, bytes)?;
                self.room.note_in_full(run, &rows);
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
        if let Rows::InMemory(batches, memory) = &mut state.rows {
            let batches = batches.make_contiguous();
            let fits =
                !overflows_offsets(batches) && memory.try_grow(largest_column(batches)).is_ok();
            if !fits {
                state.spill(&self.room)?;
            }
        }
        Ok(match std::mem::take(&mut state.rows) {
            Rows::None => None,
            Rows::InMemory(batches, memory) => Some(Complete::InMemory(batches.into(), memory)),
            Rows::OnDisk(run, _) => Some(Complete::OnDisk(run)),
        })
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        matches!(state.rows, Rows::None) && state.failed.is_none()
    }

    /// Hands out the rows, of which there are no more, in the order in which they came. Those that were not read can
    /// still be taken back.
    pub(crate) fn read(self: Arc<Self>) -> Reading {
        Reading {
            waiting: self,
            on_disk: None,
        }
    }

    /// The next rows, if they are in memory; else the run that the others are in, empty after the last.
    fn take_next(&self) -> Result<Result<RecordBatch, Run>> {
        let mut state = self.state.lock();
        state.check()?;
        if let Rows::InMemory(batches, memory) = &mut state.rows
            && let Some(batch) = batches.pop_front()
        {
            memory.shrink(bytes_of(&batch).min(memory.size()));
            return Ok(Ok(batch));
        }
        Ok(Err(match std::mem::take(&mut state.rows) {
            Rows::OnDisk(run, _) => run,
            _ => Run::default(),
        }))
    }
}

/// Rows that waited, as they are read.
pub(crate) struct Reading {
    waiting: Arc<Waiting>,
    on_disk: Option<RunReader>,
}

impl Reading {
    /// The next batch, `None` after the last.
    ///
    /// # Errors
    /// If rows could not be written when memory was taken back, or cannot be read.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.on_disk.is_none() {
            match self.waiting.take_next()? {
                Ok(batch) => return Ok(Some(batch)),
                Err(run) => self.on_disk = Some(run.reader(self.waiting.room.batch_size)),
            }
        }
        match &mut self.on_disk {
            Some(reader) => reader.next().await,
            None => Ok(None),
        }
    }
}

impl State {
    fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Writes what is in memory to disk, and returns how many bytes that freed.
    fn spill(&mut self, room: &Room) -> Result<usize> {
        let Rows::InMemory(batches, memory) = &mut self.rows else {
            return Ok(0);
        };
        let file = RunFile::create(&room.disk, &room.schema)?;
        let mut run = Run::default();
        let sample = batches.back().cloned();
        for batch in batches.drain(..) {
            file.append(&mut run, &batch, bytes_of(&batch))?;
        }
        if let Some(sample) = sample {
            room.note_in_full(&run, &sample);
        }
        let freed = memory.free();
        room.spilled.add(1);
        self.rows = Rows::OnDisk(run, file);
        Ok(freed)
    }
}

impl Reclaim for Waiting {
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
        match state.spill(&self.room) {
            Ok(0) => 0,
            Ok(freed) => {
                self.room.reclaimed.add(1);
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
    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
    use datafusion::arrow::datatypes::Int64Type;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::metrics::SpillMetrics;
    use plimsoll_memory::{Region, UnifiedMemory};

    const ROWS: i64 = 5000;

    fn numbers(from: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + ROWS));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    /// Rows that wait, four batches of [`ROWS`], in a task of their own.
    fn waiting() -> (Arc<TaskMemory>, Arc<Waiting>) {
        let task = TaskMemory::new(UnifiedMemory::new(Region::new(1 << 30, 0), Region::EMPTY));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&task) as _)
            .build_arc()
            .unwrap();
        let context = TaskContext::default().with_runtime(runtime);
        let metrics = ExecutionPlanMetricsSet::new();
        let disk = Disk::new(&context, SpillMetrics::new(&metrics, 0), "a test");
        let room = Room::new(
            ("Waiting".to_string(), "spilled"),
            UseOfRows::AsTheyAre,
            &numbers(0).schema(),
            &disk,
            &context,
            (&metrics, 0),
        );
        let waiting = Waiting::new(&room);
        for batch in 0..4 {
            waiting.push(numbers(batch * ROWS)).unwrap();
        }
        (task, waiting)
    }

    #[tokio::test]
    async fn rows_that_wait_for_the_last_of_them_are_given_back() {
        let (task, waiting) = waiting();
        let held = task.usage().held;
        assert!(held >= 4 * ROWS as u64 * 8, "{held}");
        assert_eq!(task.reclaim(1), held);
        assert_eq!((task.usage().held, task.reclaim(1)), (0, 0));
        // What comes after goes to disk too.
        waiting.push(numbers(4 * ROWS)).unwrap();
        let Some(Complete::OnDisk(run)) = waiting.complete().unwrap() else {
            panic!("what was given back is in memory");
        };
        assert_eq!(run.rows, 5 * ROWS as usize);
        assert!(waiting.complete().unwrap().is_none());
        let mut reader = run.reader(8192);
        let mut rows = 0;
        while let Some(batch) = reader.next().await.unwrap() {
            rows += batch.num_rows();
        }
        assert_eq!(rows, run.rows);
    }

    #[tokio::test]
    async fn rows_that_were_not_read_yet_are_given_back() {
        for read_before in 0..=4 {
            let (task, waiting) = waiting();
            let mut reading = waiting.read();
            let mut next = 0;
            for taken in 0.. {
                if taken == read_before {
                    let held = task.usage().held;
                    assert_eq!(held > 0, read_before < 4);
                    assert_eq!((task.reclaim(1), task.usage().held), (held, 0));
                }
                let Some(batch) = reading.next().await.unwrap() else {
                    break;
                };
                for number in batch.column(0).as_primitive::<Int64Type>().values() {
                    assert_eq!((*number, read_before), (next, read_before));
                    next += 1;
                }
            }
            assert_eq!(next, 4 * ROWS);
            assert_eq!(task.usage().held, 0);
        }
    }
}
