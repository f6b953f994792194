use std::sync::Arc;

use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput};
use datafusion_execution::TryEmitter;
use futures::StreamExt;

use super::function::{Function, Most};
use super::waiting::Waiting;
use crate::batches::{bytes_of, concat_by_column, largest_column, tidy, with_rows};
use crate::window::compute::{Functions, Slim};

/// Bytes that are taken whether there are any or not, beside those of a batch.
const FEW: usize = 64 << 10;

/// One output partition of the operator on its way through its input.
pub(crate) struct Running {
    window: Functions,
    functions: Vec<Function>,
    waiting: Arc<Waiting>,
    frames: Frames,
    most: Most,
    baseline: BaselineMetrics,
    /// The latest row.
    last: Option<RecordBatch>,
    emitter: TryEmitter<RecordBatch, DataFusionError>,
}

/// Rows of the partition that has begun that a frame may still need, with the columns that functions ask for.
struct Frames {
    slim: Slim,
    /// What the functions have seen.
    rows: RecordBatch,
    bytes: usize,
    /// What has come since.
    new: Vec<RecordBatch>,
    new_rows: usize,
    new_bytes: usize,
    /// Bytes of the batch that came last.
    batch_bytes: usize,
    memory: MemoryReservation,
}

impl Running {
    /// # Errors
    /// If a function cannot be made.
    pub(crate) fn new(
        window: Functions,
        waiting: Arc<Waiting>,
        memory: MemoryReservation,
        most: Most,
        baseline: BaselineMetrics,
        emitter: TryEmitter<RecordBatch, DataFusionError>,
    ) -> Result<Self> {
        let slim = Slim::of(&window.input, window.expressions.iter());
        let Some(slim) = slim else {
            return datafusion::common::internal_err!("a window has no functions");
        };
        let functions = window.expressions.iter().map(Function::new);
        Ok(Self {
            functions: functions.collect::<Result<_>>()?,
            waiting,
            frames: Frames {
                rows: RecordBatch::new_empty(Arc::clone(&slim.schema)),
                slim,
                bytes: 0,
                new: Vec::new(),
                new_rows: 0,
                new_bytes: 0,
                batch_bytes: 0,
                memory,
            },
            window,
            most,
            baseline,
            last: None,
            emitter,
        })
    }

    /// Computes the functions over all rows of the input and hands them on.
    ///
    /// # Errors
    /// Those of the input, of the functions and of the disk, and if there is no memory for what frames need.
    pub(crate) async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = input.next().await.transpose()? {
            if batch.num_rows() == 0 {
                continue;
            }
            let begins_anew = self.begins_anew(&batch)?;
            let slim = self.frames.slim.columns(&batch)?;
            self.frames.batch_bytes = bytes_of(&slim);
            let ranges = self.window.ranges(&batch)?;
            self.waiting.push(batch)?;
            for (number, range) in ranges.into_iter().enumerate() {
                if number > 0 || begins_anew {
                    self.close().await?;
                }
                self.frames.push(slim.slice(range.start, range.len()));
            }
            drop(slim);
            self.go_on().await?;
            self.emit().await?;
        }
        drop(input);
        self.close().await?;
        self.emit().await
    }

    /// Whether the first row of a batch is of another partition than the row before it.
    fn begins_anew(&mut self, batch: &RecordBatch) -> Result<bool> {
        if self.window.partition_by.is_empty() {
            return Ok(false);
        }
        let last = tidy(batch.slice(batch.num_rows() - 1, 1))?;
        let Some(before) = self.last.replace(last) else {
            return Ok(false);
        };
        let both = concat_batches(&self.window.input, [&before, &batch.slice(0, 1)])?;
        Ok(self.window.ranges(&both)?.len() > 1)
    }

    /// Computes what can be told of the partition that is open.
    async fn go_on(&mut self) -> Result<()> {
        if !self.frames.is_worth_a_look(self.most.rows) {
            return Ok(());
        }
        self.see().await?;
        loop {
            self.compute(false)?;
            let is_full = |function: &Function| {
                function.ready() >= self.most.rows || function.result_bytes() >= self.most.bytes
            };
            if !self.functions.iter().any(is_full) || self.ready() == 0 {
                break;
            }
            self.emit().await?;
        }
        let needs_from = self.functions.iter().map(Function::needs_from);
        let gone = needs_from.min().unwrap_or(0);
        self.functions
            .iter_mut()
            .for_each(|function| function.let_go_of(gone));
        self.frames.let_go_of(gone)?;
        self.reserve()
    }

    /// Computes the rest of the partition that is open, and is ready for another.
    async fn close(&mut self) -> Result<()> {
        self.see().await?;
        let rows = self.frames.rows.num_rows();
        if rows > 0 {
            self.compute(true)?;
            while self.functions.iter().any(|function| function.done() < rows) {
                self.emit().await?;
                self.compute(true)?;
            }
        }
        self.frames.let_go_of(rows)?;
        self.functions.iter_mut().try_for_each(Function::begin_anew)
    }

    /// Shows the functions the rows that have come.
    async fn see(&mut self) -> Result<()> {
        let results = self.functions.iter().map(Function::result_bytes).sum();
        self.frames.join(results).await?;
        if self.frames.rows.num_rows() == 0 {
            return Ok(());
        }
        let _time = self.baseline.elapsed_compute().timer();
        for function in &mut self.functions {
            function.see(&self.frames.rows)?;
        }
        Ok(())
    }

    fn compute(&mut self, is_end: bool) -> Result<()> {
        let _time = self.baseline.elapsed_compute().timer();
        for function in &mut self.functions {
            function.compute(&self.frames.rows, is_end, self.most)?;
        }
        self.reserve()
    }

    /// Reserves what is held.
    fn reserve(&self) -> Result<()> {
        let held = self.functions.iter().map(Function::size).sum();
        let results = self.functions.iter().map(Function::result_bytes).sum();
        self.frames.reserve(held, results)
    }

    /// Rows that every function has a value of.
    fn ready(&self) -> usize {
        let ready = self.functions.iter().map(Function::ready);
        ready.min().unwrap_or(0)
    }

    /// Hands on those.
    async fn emit(&mut self) -> Result<()> {
        loop {
            let count = self.ready().min(self.most.rows);
            if count == 0 {
                return Ok(());
            }
            let (_, mut columns, _) = self.waiting.take(count).await?.into_parts();
            for function in &mut self.functions {
                columns.push(function.take(count)?);
            }
            let rows = with_rows(&self.window.schema, columns, count)?;
            self.emitter.emit(rows.record_output(&self.baseline)).await;
        }
    }
}

impl Frames {
    fn push(&mut self, rows: RecordBatch) {
        self.new_rows += rows.num_rows();
        self.new.push(rows);
        self.new_bytes += self.batch_bytes;
    }

    /// Whether so many rows have come that it is worth joining them with those that are there: each row is copied a few times
    /// at most, however many a frame has.
    fn is_worth_a_look(&self, few: usize) -> bool {
        let rows = self.rows.num_rows();
        self.new_rows > 0 && (rows <= few || 2 * self.new_rows >= rows)
    }

    /// Joins the rows that have come with those that are there.
    async fn join(&mut self, results: usize) -> Result<()> {
        let mut pieces = std::mem::take(&mut self.new);
        if pieces.is_empty() {
            return Ok(());
        }
        if self.rows.num_rows() > 0 {
            pieces.insert(0, self.rows.slice(0, self.rows.num_rows()));
        }
        self.rows = RecordBatch::new_empty(Arc::clone(&self.slim.schema));
        let largest = largest_column(&pieces);
        self.reserve(largest, results)?;
        (self.rows, self.bytes) = match pieces.as_slice() {
            // Part of a batch: copied by `let_go_of` if few of its rows stay.
            [only] => (only.clone(), self.new_bytes),
            _ => {
                let rows = tidy(concat_by_column(&self.slim.schema, pieces).await?)?;
                let bytes = bytes_of(&rows);
                (rows, bytes)
            }
        };
        (self.new_rows, self.new_bytes) = (0, 0);
        Ok(())
    }

    /// Drops the first rows.
    fn let_go_of(&mut self, rows: usize) -> Result<()> {
        let left = self.rows.num_rows() - rows;
        if left == 0 {
            (self.rows, self.bytes) = (RecordBatch::new_empty(Arc::clone(&self.slim.schema)), 0);
            return Ok(());
        }
        self.rows = tidy(self.rows.slice(rows, left))?;
        self.bytes = bytes_of(&self.rows);
        Ok(())
    }

    /// Reserves what these rows take, `held` bytes beside them and values of so many bytes. What a batch takes is taken
    /// whether there is any or not.
    fn reserve(&self, held: usize, results: usize) -> Result<()> {
        let bytes = self.bytes + self.new_bytes + held + results;
        let more = bytes.saturating_sub(self.memory.size());
        // Not asked for: who cannot spill is kept waiting before it is refused, here for each of many partitions.
        let is_least = bytes <= FEW + 2 * self.batch_bytes + results;
        if !is_least && more > 0 {
            self.memory.try_grow(more)?;
        }
        self.memory.resize(bytes);
        Ok(())
    }
}
