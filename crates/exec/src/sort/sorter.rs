use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::metrics::RecordOutput;
use datafusion_execution::TryEmitter;
use futures::StreamExt;
use parking_lot::Mutex;
use plimsoll_memory::{Reclaim, TaskMemory};

use super::buffer::{Bound, Buffer, Keyed, Piece, Sorted};
use super::keys::KeyEncoder;
use super::merge::merge;
use super::metrics::SortMetrics;
use crate::batches::{content_bytes, select, shares_values, tidy};
use crate::reserve::take_at_least;
use crate::spill::{Disk, Run, RunFile};

/// Bytes of a batch that is handed on, at most, if a row has no more, with so much memory.
fn piece_bytes(limit: usize) -> usize {
    let least = (limit / 32).clamp(32 << 10, 256 << 10);
    (limit / 128).clamp(least, 4 << 20)
}

/// Bytes of a block of a run, with so much memory: several sorts hold a few blocks of two runs each at once, however little
/// there is.
fn block_bytes(limit: usize) -> usize {
    let least = (limit / 64).clamp(16 << 10, 64 << 10);
    (limit / 512).clamp(least, 1 << 20)
}

/// Rows beyond twice a limit that are kept before those behind it are dropped.
const BEYOND_LIMIT: usize = 64 << 10;

/// What a sort is, and what it may use.
pub(crate) struct Work {
    pub(crate) schema: SchemaRef,
    pub(crate) encoder: KeyEncoder,
    fetch: Option<usize>,
    /// What is handed on at once.
    piece: Piece,
    /// What is written at once.
    pub(crate) block: Piece,
    /// Whether a slice is written as what is in it: of views and dictionaries all that the batch has would be.
    writes_slices: bool,
    /// Takes nothing itself; what is reserved elsewhere is of its consumer.
    pub(crate) memory: MemoryReservation,
    /// Bytes of memory that the query could hold when the sort began.
    pub(crate) limit: usize,
    task: Option<Arc<TaskMemory>>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) metrics: SortMetrics,
}

impl Work {
    /// # Errors
    /// If a type of the order cannot be sorted by.
    pub(crate) fn new(
        partition: usize,
        schema: SchemaRef,
        ordering: &LexOrdering,
        fetch: Option<usize>,
        context: &TaskContext,
        metrics: SortMetrics,
    ) -> Result<Self> {
        let pool = context.memory_pool();
        let limit = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes,
            _ => usize::MAX,
        };
        let rows = context.session_config().batch_size();
        Ok(Self {
            encoder: KeyEncoder::new(ordering, &schema)?,
            writes_slices: !schema
                .fields()
                .iter()
                .any(|field| shares_values(field.data_type())),
            schema,
            fetch,
            piece: Piece {
                rows,
                bytes: piece_bytes(limit),
            },
            block: Piece {
                rows,
                bytes: block_bytes(limit),
            },
            memory: MemoryConsumer::new(format!("ExternalSorter[{partition}]"))
                .with_can_spill(true)
                .register(pool),
            limit,
            task: TaskMemory::of(pool),
            disk: Disk::new(context, metrics.spill.clone(), "a sort"),
            metrics,
        })
    }

    /// Notes what the rows would take by now that are on disk: where there is a limit, no more than are kept of them.
    fn note_in_full(&self, spilled: usize, runs: &[Run]) {
        let Some(task) = &self.task else {
            return;
        };
        let rows: usize = runs.iter().map(|run| run.rows).sum();
        let kept = self.fetch.map_or(rows, |fetch| {
            rows.min(fetch.saturating_mul(2).saturating_add(BEYOND_LIMIT))
        });
        let bytes = spilled as u128 * kept as u128 / rows.max(1) as u128;
        task.would_hold(&self.memory, bytes as u64);
    }
}

/// One partition that is being sorted.
pub(crate) struct Sorter {
    work: Work,
    state: Mutex<State>,
}

struct State {
    rows: Rows,
    /// On disk.
    runs: Vec<Run>,
    file: Option<Arc<RunFile>>,
    /// Bytes that the rows took which went to disk.
    spilled: usize,
    /// Where there is a limit: what does not come before this row is not wanted.
    bound: Option<Bound>,
    /// Why rows could not be written when memory was taken back: the sort ends with it.
    failed: Option<DataFusionError>,
}

enum Rows {
    Coming(Buffer),
    Sorted(Sorted),
}

/// What a sort that has read all has for the one above it.
enum Next {
    Rows(RecordBatch),
    /// The rest is on disk.
    OnDisk(Vec<Run>),
    End,
}

impl Sorter {
    pub(crate) fn new(work: Work) -> Arc<Self> {
        let buffer = Buffer::new(work.memory.new_empty());
        let sorter = Arc::new(Self {
            state: Mutex::new(State {
                rows: Rows::Coming(buffer),
                runs: Vec::new(),
                file: None,
                spilled: 0,
                bound: None,
                failed: None,
            }),
            work,
        });
        if let Some(task) = &sorter.work.task {
            let offer: std::sync::Weak<Self> = Arc::downgrade(&sorter);
            task.offer(&sorter.work.memory, offer);
        }
        sorter
    }

    /// Sorts all rows of the input and hands them on.
    ///
    /// # Errors
    /// Those of the input and of the expressions sorted by, and if rows cannot be written to disk or read
    /// from it.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut input: SendableRecordBatchStream,
        mut emitter: TryEmitter<RecordBatch, DataFusionError>,
    ) -> Result<()> {
        let compute = self.work.metrics.baseline.elapsed_compute().clone();
        while let Some(batch) = input.next().await.transpose()? {
            let _time = compute.timer();
            if batch.num_rows() > 0 {
                self.push(batch)?;
            }
        }
        drop(input);
        {
            let _time = compute.timer();
            self.finish()?;
        }
        let mut wanted = self.work.fetch;
        let runs = loop {
            let next = {
                let _time = compute.timer();
                self.next()?
            };
            match next {
                Next::Rows(batch) => {
                    wanted = wanted.map(|rows| rows.saturating_sub(batch.num_rows()));
                    let batch = batch.record_output(&self.work.metrics.baseline);
                    emitter.emit(batch).await;
                }
                Next::OnDisk(runs) => break runs,
                Next::End => return Ok(()),
            }
        };
        let mut merger = merge(&self.work, runs, wanted).await?;
        while let Some(batch) = merger.next(&self.work, self.work.piece).await? {
            let batch = batch.record_output(&self.work.metrics.baseline);
            emitter.emit(batch).await;
        }
        Ok(())
    }

    fn push(&self, batch: RecordBatch) -> Result<()> {
        let batch = tidy(batch)?;
        let keys = self.work.encoder.keys(&batch)?;
        // Held while memory is asked for: whoever wants to reclaim meanwhile finds it taken.
        let mut state = self.state.lock();
        state.check()?;
        let Some(batch) = state.wanted(&self.work, Keyed::new(batch, keys))? else {
            return Ok(());
        };
        state.make_room_for(&self.work, &batch)?;
        let Rows::Coming(buffer) = &mut state.rows else {
            return datafusion::common::internal_err!("rows came to a sort that had all");
        };
        buffer.push(batch);
        let is_beyond =
            |fetch: usize| buffer.rows() > fetch.saturating_mul(2).saturating_add(BEYOND_LIMIT);
        match self.work.fetch {
            Some(fetch) if is_beyond(fetch) => state.keep_first(&self.work, false),
            _ => Ok(()),
        }
    }

    /// Puts in order what is in memory; where rows are on disk already, it follows them.
    fn finish(&self) -> Result<()> {
        let mut state = self.state.lock();
        state.check()?;
        if !state.runs.is_empty() {
            state.spill(&self.work)?;
        }
        state.sort(&self.work);
        Ok(())
    }

    fn next(&self) -> Result<Next> {
        let mut state = self.state.lock();
        state.check()?;
        if !state.runs.is_empty() {
            return Ok(Next::OnDisk(std::mem::take(&mut state.runs)));
        }
        let next = match &mut state.rows {
            Rows::Coming(_) => None,
            Rows::Sorted(sorted) => sorted.next(&self.work.schema, self.work.piece, false)?,
        };
        Ok(next.map_or(Next::End, Next::Rows))
    }
}

impl State {
    fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn memory(&self) -> &MemoryReservation {
        match &self.rows {
            Rows::Coming(buffer) => buffer.memory(),
            Rows::Sorted(sorted) => sorted.memory(),
        }
    }

    /// What of a batch can be among the first rows that are wanted.
    fn wanted(&self, work: &Work, batch: Keyed) -> Result<Option<Keyed>> {
        let Some(bound) = &self.bound else {
            return Ok(Some(batch));
        };
        let rows = batch.batch.num_rows();
        let passes = bound.passes(&batch.keys, rows);
        if passes.is_empty() {
            return Ok(None);
        }
        if passes.len() * 2 > rows {
            return Ok(Some(batch));
        }
        let indices: Vec<_> = passes.iter().map(|row| (0, *row as usize)).collect();
        let few = select(&work.schema, &[batch.batch], &indices)?;
        let keys = work.encoder.keys(&few)?;
        Ok(Some(Keyed::new(few, keys)))
    }

    /// Reserves what the batch takes in the buffer, for which the rows in it go to disk if they must.
    fn make_room_for(&mut self, work: &Work, batch: &Keyed) -> Result<()> {
        if let Rows::Coming(buffer) = &mut self.rows {
            let bytes = buffer.bytes_for(batch);
            if buffer.memory().try_grow(bytes).is_ok() {
                return Ok(());
            }
        }
        match work.fetch {
            Some(_) => self.keep_first(work, true)?,
            None => self.spill(work)?,
        }
        if let Rows::Coming(buffer) = &mut self.rows {
            let bytes = buffer.bytes_for(batch);
            take_at_least(buffer.memory(), bytes);
        }
        Ok(())
    }

    /// Puts the rows in memory in order.
    fn sort(&mut self, work: &Work) {
        if let Rows::Coming(buffer) = &mut self.rows {
            let empty = Buffer::new(work.memory.new_empty());
            let sorted = std::mem::replace(buffer, empty).into_sorted(work.fetch);
            if let Some(last) = work.fetch.and_then(|fetch| fetch.checked_sub(1)) {
                self.bound = sorted.bound_at(last).or(self.bound.take());
            }
            self.rows = Rows::Sorted(sorted);
        }
    }

    /// Writes the rows in memory to disk, as one run, and makes place for more.
    fn spill(&mut self, work: &Work) -> Result<()> {
        let was_coming = matches!(self.rows, Rows::Coming(_));
        self.sort(work);
        if let Rows::Sorted(sorted) = &mut self.rows
            && sorted.left() > 0
        {
            let file = match &self.file {
                Some(file) => file,
                None => self.file.insert(RunFile::create(&work.disk, &work.schema)?),
            };
            let mut run = Run::default();
            while let Some(batch) = sorted.next(&work.schema, work.block, work.writes_slices)? {
                file.append(&mut run, &batch, content_bytes(&batch))?;
            }
            work.metrics.runs.add(1);
            self.runs.push(run);
            self.spilled += sorted.memory().size();
            work.note_in_full(self.spilled, &self.runs);
        }
        let empty = Buffer::new(work.memory.new_empty());
        self.rows = match was_coming {
            true => Rows::Coming(empty),
            false => Rows::Sorted(empty.into_sorted(None)),
        };
        Ok(())
    }

    /// Drops the rows behind the limit; if memory `is_short` and that does not free half of it, what is left
    /// goes to disk.
    fn keep_first(&mut self, work: &Work, is_short: bool) -> Result<()> {
        let rows = match &self.rows {
            Rows::Coming(buffer) => buffer.rows(),
            Rows::Sorted(sorted) => sorted.left(),
        };
        self.sort(work);
        let Rows::Sorted(sorted) = &mut self.rows else {
            return Ok(());
        };
        let mut first = Buffer::new(work.memory.new_empty());
        let is_most = sorted.left() > rows / 2 || sorted.bytes_left() > sorted.memory().size() / 2;
        if is_short && is_most {
            self.spill(work)?;
        } else {
            while let Some(batch) = sorted.next(&work.schema, work.piece, false)? {
                let keys = work.encoder.keys(&batch)?;
                let batch = Keyed::new(batch, keys);
                let bytes = first.bytes_for(&batch);
                take_at_least(first.memory(), bytes);
                first.push(batch);
            }
        }
        self.rows = Rows::Coming(first);
        Ok(())
    }
}

impl Reclaim for Sorter {
    fn reclaimable(&self) -> u64 {
        let state = self.state.try_lock();
        state.map_or(0, |state| state.memory().size() as u64)
    }

    fn reclaim(&self, _bytes: u64) -> u64 {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        let before = state.memory().size();
        if before == 0 || state.failed.is_some() {
            return 0;
        }
        // All or nothing: a sort that gave back little would have short runs.
        if let Err(error) = state.spill(&self.work) {
            state.failed = Some(error);
            let empty = Buffer::new(self.work.memory.new_empty());
            state.rows = Rows::Coming(empty);
        }
        self.work.metrics.reclaimed.add(1);
        before.saturating_sub(state.memory().size()) as u64
    }
}
