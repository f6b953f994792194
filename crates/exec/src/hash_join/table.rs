use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use plimsoll_memory::PinnedStorage;

use super::backing::Backing;
use super::flags::Flags;
use super::index::Index;
use super::keys::Keys;
use super::spec::Spec;
use crate::batches::{bytes_of, concat_by_column, largest_column, overflows_offsets};

/// Build rows that can be probed: one batch, an index on its keys, and for joins that need it a flag for
/// each row.
pub(crate) struct Table {
    pub(crate) batch: RecordBatch,
    pub(crate) keys: Vec<ArrayRef>,
    pub(crate) index: Index,
    flags: Option<Flags>,
    memory: Backing,
}

impl Table {
    /// Bytes that a table of these batches takes beside them, while it is made and after. `None` if
    /// they are too many for one table, whatever the memory.
    pub(crate) fn extra_bytes(spec: &Spec, batches: &[RecordBatch]) -> Option<usize> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if rows >= u32::MAX as usize || overflows_offsets(batches) {
            return None;
        }
        let flags = spec.of_build().map_or(0, |_| Flags::bytes(rows));
        Some(spec.index_bytes(rows) + flags + largest_column(batches))
    }

    /// Makes a table of batches, with the flags that rows had before if they had any. `memory` holds their bytes and [`extra_bytes`](Self::extra_bytes), and
    /// keeps what the table takes in the end.
    pub(crate) async fn new(
        spec: &Spec,
        batches: Vec<RecordBatch>,
        flags: Option<Flags>,
        memory: impl Into<Backing>,
    ) -> Result<Self> {
        let mut memory = memory.into();
        let batch = concat_by_column(&spec.build_schema, batches).await?;
        let keys = Keys::of(&spec.build_keys, &batch, spec.null_equality)?;
        let rows = batch.num_rows();
        let flag_bytes = spec.of_build().map_or(0, |_| Flags::bytes(rows));
        // What making them one batch took is free again.
        let room = memory.size().saturating_sub(bytes_of(&batch) + flag_bytes);
        let index = Index::new(&keys, rows, room.max(Index::bytes(rows))).await?;
        let flags = flags.or_else(|| spec.of_build().map(|_| Flags::new(rows)));
        memory.settle(bytes_of(&batch) + index.size() + flag_bytes);
        Ok(Self {
            batch,
            keys: keys.columns,
            index,
            flags,
            memory,
        })
    }

    pub(crate) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Bytes that letting go of the table frees.
    pub(crate) fn reserved(&self) -> usize {
        self.memory.size()
    }

    /// Whether it may be moved to disk for others. A broadcast may not.
    pub(crate) fn is_reclaimable(&self) -> bool {
        self.memory.is_executions()
    }

    /// Goes on living in storage memory, as [`Backing::move_to`] does.
    pub(crate) fn move_to(
        &mut self,
        storage: PinnedStorage,
        take: impl FnOnce(usize) -> Option<PinnedStorage>,
    ) {
        self.memory.move_to(storage, take);
    }

    /// Notes that these rows were matched.
    pub(crate) fn flag(&self, rows: &[u32]) {
        if let Some(flags) = &self.flags {
            for row in rows {
                flags.set(*row as usize);
            }
        }
    }

    pub(crate) fn is_flagged(&self, row: usize) -> bool {
        self.flags.as_ref().is_some_and(|flags| flags.get(row))
    }

    /// Whether each row was matched, where the join asks for it.
    pub(crate) fn flags(&self) -> Option<impl Iterator<Item = bool>> {
        let flags = self.flags.as_ref()?;
        Some((0..self.rows()).map(|row| flags.get(row)))
    }
}
