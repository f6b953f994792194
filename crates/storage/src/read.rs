//! Reading a cached partition block by block.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::physical_plan::metrics::Count;
use plimsoll_exec::batches::owned;
use plimsoll_exec::ipc;

use crate::block::{Block, Content, Found};
use crate::dataset::Core;
use crate::file::Place;
use crate::unit::Visit;

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
}

/// One partition while it is read.
pub(crate) struct Reading {
    pub(crate) visit: Arc<Visit>,
    /// The partition in its unit.
    pub(crate) at: usize,
    /// The columns that are wanted, and their schema.
    pub(crate) columns: Vec<usize>,
    pub(crate) schema: SchemaRef,
    /// The blocks that may have rows that are wanted; all of them if it is not known.
    pub(crate) kept: Option<Vec<bool>>,
    /// Rows that are wanted, at most.
    pub(crate) fetch: Option<usize>,
    pub(crate) metrics: ReadMetrics,
    /// The next block; without columns, the rows that were counted.
    pub(crate) next: usize,
}

impl Reading {
    /// The rows of the next block, none after the last.
    ///
    /// # Errors
    /// If a block cannot be read from disk.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.columns.is_empty() {
            return self.count();
        }
        tokio::task::consume_budget().await;
        while self.fetch != Some(0) {
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
            let rows = self.rows_of(block).await?;
            return Ok(Some(self.fetched(rows)));
        }
        Ok(None)
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
        match block.find()? {
            Found::Memory(content) => {
                self.metrics.from_memory.add(1);
                core.store.touch(block);
                content.rows(&core.schema, &self.columns)
            }
            Found::Disk(place) => {
                self.metrics.from_disk.add(1);
                core.counters.disk_reads.add(1);
                if place.length <= READ_HERE {
                    return from_disk(block, place, &self.columns);
                }
                let (block, columns) = (Arc::clone(block), self.columns.clone());
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
                    .map_err(|error| {
                        exec_datafusion_err!("reading a cached table was stopped: {error}")
                    })?
            }
        }
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
    let content = match core.level.deserialized {
        true => read_whole(core, &encoded),
        false => Ok(Content::Encoded(encoded)),
    };
    let content = content.inspect_err(|_| core.store.give_back(bytes, core.mode()))?;
    let rows = content.rows(&core.schema, columns);
    take_back(block, content, bytes);
    whole(block, rows?)
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

fn read_whole(core: &Core, encoded: &[u8]) -> Result<Content> {
    let batch = ipc::decode(&core.schema, encoded, None)?;
    owned(&core.schema, &[batch]).map(Content::Arrays)
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
