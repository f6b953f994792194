//! Reading a cached partition block by block.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::physical_plan::metrics::Count;
use plimsoll_exec::batches::{owned, with_rows};
use plimsoll_exec::ipc;

use crate::block::{Block, Content, Found};
use crate::columns::Columns;
use crate::dataset::Core;
use crate::file::Place;
use crate::left::Left;
use crate::select::{Picker, Selection};
use crate::unit::Visit;
use crate::wanted::Wanted;

/// Bytes of a block on disk that are read where one stands: less than what handing them to another thread costs.
const READ_HERE: usize = 64 << 10;

/// Rows in a batch without columns.
const COUNTED_AT_ONCE: usize = 64 << 10;

/// What a reader counts.
#[derive(Clone)]
pub(crate) struct ReadMetrics {
    pub(crate) skipped: Count,
    pub(crate) from_memory: Count,
    pub(crate) from_disk: Count,
    /// Rows that failed a condition.
    pub(crate) dropped: Count,
}

/// One partition while it is read.
pub(crate) struct Reading {
    visit: Arc<Visit>,
    /// The partition in its unit.
    at: usize,
    wanted: Arc<Wanted>,
    /// The columns that are looked at.
    looked_at: Arc<[usize]>,
    /// The schema of the columns that are wanted.
    schema: SchemaRef,
    /// The blocks that may have rows that are wanted; all of them if it is not known.
    kept: Option<Vec<bool>>,
    /// Rows that are still wanted, at most.
    fetch: Option<usize>,
    metrics: ReadMetrics,
    /// The next block; without columns, the rows that were counted.
    next: usize,
    /// What conditions left of blocks, put together until it is worth handing on; none where there are no conditions.
    left: Option<Left>,
}

impl Reading {
    /// A partition of a unit, of which this is wanted, in batches of so many rows where conditions drop some.
    pub(crate) fn new(
        (visit, at): (Arc<Visit>, usize),
        wanted: Arc<Wanted>,
        (schema, batch_size): (SchemaRef, usize),
        kept: Option<Vec<bool>>,
        metrics: ReadMetrics,
    ) -> Self {
        let has_conditions = wanted.conditions.is_some();
        Self {
            visit,
            at,
            looked_at: wanted.looked_at().into(),
            left: has_conditions.then(|| Left::new(&schema, batch_size)),
            schema,
            kept,
            fetch: wanted.fetch,
            wanted,
            metrics,
            next: 0,
        }
    }

    /// The next rows, none after the last.
    ///
    /// # Errors
    /// If a block cannot be read from disk.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if !self.wanted.reads_rows() {
            return self.count();
        }
        while self.fetch != Some(0) {
            if let Some(rows) = self.left.as_mut().and_then(Left::take) {
                return Ok(Some(self.fetched(rows)));
            }
            tokio::task::consume_budget().await;
            let Some(rows) = self.next_block().await? else {
                let last = self.left.as_mut().map(Left::finish).transpose()?.flatten();
                return Ok(last.map(|rows| self.fetched(rows)));
            };
            match &mut self.left {
                Some(left) => left.add(rows, self.fetch)?,
                None => return Ok(Some(self.fetched(rows))),
            }
        }
        Ok(None)
    }

    /// The rows of the next block that is not passed over.
    async fn next_block(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let at = self.next;
            self.next += 1;
            let unit = Arc::clone(self.visit.unit());
            let Some(block) = unit.partition(self.at)?.blocks.get(at) else {
                return Ok(None);
            };
            if self.kept.as_ref().is_some_and(|kept| !kept[at]) {
                self.metrics.skipped.add(1);
                continue;
            }
            return self.rows_of(block).await.map(Some);
        }
    }

    /// How many rows there are, without any of them; in batches, since a literal beside them is an array.
    fn count(&mut self) -> Result<Option<RecordBatch>> {
        let all = self.visit.unit().partition(self.at)?.rows as usize;
        let left = all.min(self.fetch.unwrap_or(usize::MAX)) - self.next;
        let rows = left.min(COUNTED_AT_ONCE);
        self.next += rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        match rows {
            0 => Ok(None),
            _ => Ok(Some(RecordBatch::try_new_with_options(
                schema,
                Vec::new(),
                &options,
            )?)),
        }
    }

    fn fetched(&mut self, rows: RecordBatch) -> RecordBatch {
        match &mut self.fetch {
            Some(left) => {
                let wanted = rows.num_rows().min(*left);
                *left -= wanted;
                rows.slice(0, wanted)
            }
            None => rows,
        }
    }

    async fn rows_of(&self, block: &Arc<Block>) -> Result<RecordBatch> {
        let core = &block.core;
        let columns = core.schema.fields().len();
        match block.find()? {
            Found::Memory(content) => {
                self.metrics.from_memory.add(1);
                core.store.touch(block);
                self.wanted_of(Columns::of(&content, columns), block.rows)
            }
            Found::Disk(place) => {
                self.metrics.from_disk.add(1);
                core.counters.disk_reads.add(1);
                let looked_at = Arc::clone(&self.looked_at);
                let rows = match place.length <= READ_HERE {
                    true => from_disk(block, place, &looked_at)?,
                    false => self.read_elsewhere(block, place).await?,
                };
                let arrays = looked_at
                    .iter()
                    .copied()
                    .zip(rows.columns().iter().cloned());
                self.wanted_of(Columns::read(columns, arrays), block.rows)
            }
        }
    }

    /// Reads a block on a thread where that holds up nobody.
    async fn read_elsewhere(&self, block: &Arc<Block>, place: Place) -> Result<RecordBatch> {
        let (block, columns) = (Arc::clone(block), Arc::clone(&self.looked_at));
        // A read goes on when nobody waits for it any more: what it puts back must still be wanted.
        let visit = Arc::clone(&self.visit);
        let read = move || {
            let rows = from_disk(&block, place, &columns);
            drop(visit);
            rows
        };
        SpawnedTask::spawn_blocking(read)
            .join()
            .await
            .map_err(|error| exec_datafusion_err!("reading a cached table was stopped: {error}"))?
    }

    /// What is wanted of the rows of a block.
    fn wanted_of(&self, mut columns: Columns, rows: usize) -> Result<RecordBatch> {
        let selection = match &self.wanted.conditions {
            Some(conditions) => conditions.select(&mut columns, rows)?,
            None => Selection::All(rows),
        };
        let left = selection.count();
        self.metrics.dropped.add(rows - left);
        if left == 0 {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        }
        let picker = Picker::new(&selection);
        let arrays = self.wanted.columns.iter();
        let arrays = arrays.map(|at| columns.picked(*at, &selection, &picker));
        with_rows(&self.schema, arrays.collect::<Result<_>>()?, left)
    }
}

/// Reads a block from disk, and takes it back into memory if its level has that and there is room: Spark's
/// `maybeCacheDiskValuesInMemory`, which evicts others for it; here two datasets do not chase each other out.
fn from_disk(block: &Arc<Block>, place: Place, columns: &[usize]) -> Result<RecordBatch> {
    let core = &block.core;
    let encoded = block.read(place)?;
    let bytes = block.bytes();
    if !core.level.memory || !core.store.take_free(bytes, core.mode()) {
        return whole(block, ipc::decode(&core.schema, &encoded, Some(columns))?);
    }
    let read = read_whole(core, &encoded);
    let (rows, content) = read.inspect_err(|_| core.store.give_back(bytes, core.mode()))?;
    let rows = whole(block, rows);
    match rows {
        Ok(_) => take_back(block, content, bytes),
        Err(_) => core.store.give_back(bytes, core.mode()),
    }
    Ok(rows?.project(columns)?)
}

/// The rows, if they are as many as were written.
fn whole(block: &Block, rows: RecordBatch) -> Result<RecordBatch> {
    match rows.num_rows() == block.rows {
        true => Ok(rows),
        false => exec_err!(
            "a block of a cached table has {} rows on disk and not the {} that were written: REFRESH TABLE or CLEAR CACHE lets go \
             of it",
            rows.num_rows(),
            block.rows
        ),
    }
}

/// The rows of a block that was written, and the block as its level has it in memory.
fn read_whole(core: &Core, encoded: &[u8]) -> Result<(RecordBatch, Content)> {
    let batch = ipc::decode(&core.schema, encoded, None)?;
    let batch = match core.level.deserialized {
        true => owned(&core.schema, &[batch])?,
        false => batch,
    };
    Ok((batch.clone(), Content::new(batch, core)?))
}

/// Keeps what was read, for which `taken` bytes were taken.
fn take_back(block: &Arc<Block>, content: Content, taken: u64) {
    let core = &block.core;
    let bytes = content.bytes();
    let lacking = bytes.saturating_sub(taken);
    if lacking > 0 && !core.store.take_free(lacking, core.mode()) {
        return core.store.give_back(taken, core.mode());
    }
    let held = taken + lacking;
    let given_back = match core.store.put_back(block, content, bytes) {
        true => held - bytes,
        // Another reader was faster.
        false => held,
    };
    core.store.give_back(given_back, core.mode());
}
