//! Computing the partitions of a unit, and cutting them into blocks.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use plimsoll_exec::batches::{content_bytes, owned, with_rows};
use plimsoll_exec::ipc;
use plimsoll_memory::{BlockId, TaskMemory};

use crate::block::{Block, Content};
use crate::bounds::{Bounds, BoundsBuilder};
use crate::file::BlockFile;
use crate::unit::{Filled, Unit};

/// Bytes of a block, at most, unless one row has more.
const LARGEST: usize = 4 << 20;

/// Bytes of a block that has no memory, at most: its rows are on nobody's books until they are on disk.
const LARGEST_ELSEWHERE: usize = 512 << 10;

/// Begins to compute the partitions of a unit, which are these of the plan.
pub(crate) fn start(
    unit: &Arc<Unit>,
    plan: Arc<dyn ExecutionPlan>,
    partitions: Range<usize>,
    context: Arc<TaskContext>,
) {
    let ending = Ending(Some(Arc::clone(unit)));
    let filling = Arc::clone(unit);
    let filler = SpawnedTask::spawn(async move {
        let task = TaskMemory::of(context.memory_pool());
        let cancelled = async {
            match &task {
                Some(task) => task.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            biased;
            // The query that computes it was ended to free its memory; others that wait compute it themselves.
            error = cancelled => Err(error),
            outcome = fill(&filling, &plan, partitions, &context) => outcome,
        };
        ending.with(outcome);
    });
    unit.set_filler(filler);
}

/// Tells those who wait when the computation ends, however it does.
struct Ending(Option<Arc<Unit>>);

impl Ending {
    fn with(mut self, outcome: Result<()>) {
        if let Some(unit) = self.0.take() {
            unit.end(outcome);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(unit) = self.0.take() {
            unit.end(exec_err!("computing a cached table broke off"));
        }
    }
}

async fn fill(
    unit: &Arc<Unit>,
    plan: &Arc<dyn ExecutionPlan>,
    partitions: Range<usize>,
    context: &Arc<TaskContext>,
) -> Result<()> {
    let mut under_way = JoinSet::new();
    for (at, partition) in partitions.enumerate() {
        let rows = plan.execute(partition, Arc::clone(context))?;
        let mut writer = Writer::new(Arc::clone(unit), at, partition)?;
        let write = async move {
            let mut rows = rows;
            while let Some(batch) = rows.try_next().await? {
                writer.add(&batch)?;
            }
            writer.finish()
        };
        under_way.spawn(write);
    }
    while let Some(outcome) = under_way.join_next().await {
        outcome.map_err(|error| {
            exec_datafusion_err!("computing a cached table was stopped: {error}")
        })??;
    }
    Ok(())
}

/// Cuts the rows of one partition into blocks. What it made goes with it if it does not come to its end.
struct Writer {
    unit: Arc<Unit>,
    /// The partition in the unit.
    at: usize,
    id: BlockId,
    file: Arc<BlockFile>,
    /// Rows that are no block yet, as they came.
    pieces: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    /// Memory taken for the pieces; none once it was refused.
    unrolled: Option<u64>,
    blocks: Vec<Arc<Block>>,
    bounds: BoundsBuilder,
    total: u64,
    /// Rows, and the bytes that they took or would have taken as blocks, when the unit was lost.
    lost_at: Option<(u64, u64)>,
}

impl Writer {
    fn new(unit: Arc<Unit>, at: usize, partition: usize) -> Result<Self> {
        let core = unit.core();
        Ok(Self {
            at,
            id: BlockId {
                dataset: core.id,
                partition: partition as u64,
            },
            file: Arc::new(core.store.new_file()?),
            pieces: Vec::new(),
            rows: 0,
            bytes: 0,
            unrolled: None,
            blocks: Vec::new(),
            bounds: BoundsBuilder::new(&core.schema),
            total: 0,
            lost_at: None,
            unit,
        })
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.total += batch.num_rows() as u64;
        if self.unit.is_lost() {
            self.drop_blocks();
            return Ok(());
        }
        let per_row = content_bytes(batch) / batch.num_rows().max(1) + 1;
        let mut from = 0;
        while from < batch.num_rows() {
            let room = (self.largest().saturating_sub(self.bytes) / per_row).max(1);
            let most = room.min(self.unit.core().options.rows - self.rows);
            let rows = most.min(batch.num_rows() - from);
            self.add_piece(batch.slice(from, rows));
            from += rows;
            if self.rows >= self.unit.core().options.rows || self.bytes + per_row > self.largest() {
                self.seal()?;
            }
        }
        Ok(())
    }

    fn largest(&self) -> usize {
        let has_memory = self.unrolled.is_some() || self.pieces.is_empty();
        match has_memory && self.unit.core().level.memory {
            true => LARGEST,
            false => LARGEST_ELSEWHERE,
        }
    }

    fn add_piece(&mut self, piece: RecordBatch) {
        let bytes = content_bytes(&piece);
        let core = self.unit.core();
        let taken = match self.unrolled {
            _ if !core.level.memory => None,
            None if !self.pieces.is_empty() => None,
            before => core
                .store
                .take(self.id, bytes as u64, core.mode())
                .then(|| before.unwrap_or(0) + bytes as u64),
        };
        if taken.is_none() {
            self.give_back();
        }
        self.unrolled = taken;
        self.rows += piece.num_rows();
        self.bytes += bytes;
        self.pieces.push(piece);
    }

    fn give_back(&mut self) {
        if let Some(unrolled) = self.unrolled.take() {
            let core = self.unit.core();
            core.store.give_back(unrolled, core.mode());
        }
    }

    /// Makes a block of the pieces.
    fn seal(&mut self) -> Result<()> {
        let core = Arc::clone(self.unit.core());
        let pieces = mem::take(&mut self.pieces).into_iter().map(|piece| {
            let rows = piece.num_rows();
            with_rows(&core.schema, piece.columns().to_vec(), rows)
        });
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        let rows = mem::take(&mut self.rows);
        self.bytes = 0;
        if rows == 0 {
            return Ok(());
        }
        let batch = owned(&core.schema, &pieces)?;
        drop(pieces);
        self.bounds.add(&batch);
        let block = match self.unrolled {
            Some(_) => self.in_memory(batch)?,
            None => self.elsewhere(batch)?,
        };
        self.blocks.extend(block);
        Ok(())
    }

    /// The block in memory, or where it goes if it takes more than was taken for its pieces and there is no more.
    fn in_memory(&mut self, batch: RecordBatch) -> Result<Option<Arc<Block>>> {
        let core = Arc::clone(self.unit.core());
        let rows = batch.num_rows();
        let content = Content::new(batch, &core)?;
        let bytes = content.bytes();
        let taken = self.unrolled.unwrap_or(0);
        if bytes > taken && !core.store.take(self.id, bytes - taken, core.mode()) {
            self.give_back();
            let batch = content.rows(&core.schema)?;
            return self.elsewhere(batch);
        }
        self.unrolled = None;
        core.store
            .give_back(taken.saturating_sub(bytes), core.mode());
        let block = Block::in_memory(
            (self.id, &self.unit),
            Arc::clone(&self.file),
            rows,
            (content, bytes),
        );
        core.store.keep(&block);
        Ok(Some(block))
    }

    /// The block on disk, or nowhere if its level has none and nobody is to read it.
    fn elsewhere(&mut self, batch: RecordBatch) -> Result<Option<Arc<Block>>> {
        if !self.unit.goes_to_disk() && self.unit.lose() {
            self.note_loss(&batch)?;
            self.drop_blocks();
            return Ok(None);
        }
        let core = self.unit.core();
        let rows = batch.num_rows();
        let encoded = ipc::encode(&batch, core.options.compression)?;
        let bytes = match core.level.deserialized {
            true => Content::Arrays(batch).bytes(),
            // As near as can be told without packing it.
            false => encoded.len() as u64,
        };
        let place = self.file.append(&encoded)?;
        core.counters.on_disk.add(place.length as u64);
        Ok(Some(Block::on_disk(
            (self.id, &self.unit),
            Arc::clone(&self.file),
            (rows, bytes),
            place,
        )))
    }

    /// Notes what rows took as blocks: `batch`, which does not fit, and those before.
    fn note_loss(&mut self, batch: &RecordBatch) -> Result<()> {
        let core = self.unit.core();
        let bytes = Content::new(batch.clone(), core)?.bytes();
        let blocks = self.blocks.iter();
        let before = blocks.fold((0, 0), |(rows, bytes), block| {
            (rows + block.rows as u64, bytes + block.bytes())
        });
        self.lost_at = Some((before.0 + batch.num_rows() as u64, before.1 + bytes));
        Ok(())
    }

    /// What all rows take as blocks, or would take if they had not been lost.
    fn in_full(&self) -> u64 {
        match self.lost_at {
            Some((rows, bytes)) => {
                (bytes as u128 * self.total as u128 / rows.max(1) as u128) as u64
            }
            None => self.blocks.iter().map(|block| block.bytes()).sum(),
        }
    }

    fn drop_blocks(&mut self) {
        self.pieces.clear();
        (self.rows, self.bytes) = (0, 0);
        self.give_back();
        let core = self.unit.core();
        for block in self.blocks.drain(..) {
            core.store.drop_block(&block);
        }
    }

    fn finish(mut self) -> Result<()> {
        if !self.unit.is_lost() {
            self.seal()?;
        }
        let bounds = self.bounds();
        self.unit.fill(
            self.at,
            Filled {
                bytes: self.in_full(),
                blocks: mem::take(&mut self.blocks),
                bounds,
                rows: self.total,
            },
        )
    }

    /// The bounds of the blocks, if there is memory for them.
    fn bounds(&mut self) -> Option<Bounds> {
        let core = self.unit.core();
        let bounds = mem::replace(&mut self.bounds, BoundsBuilder::new(&core.schema)).build();
        let bytes = bounds.bytes();
        let is_kept = core.options.pruning
            && !self.unit.is_lost()
            && core.store.take(self.id, bytes, core.mode());
        is_kept.then(|| {
            core.counters.in_memory.add(bytes);
            bounds
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.drop_blocks();
    }
}
