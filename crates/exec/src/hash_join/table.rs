use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

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
    flags: Option<Arc<Flags>>,
    /// The flag of the first row.
    first_flag: usize,
    memory: MemoryReservation,
}

/// Flags that rows had before they were in a table, and which of them is the first row's.
pub(crate) struct FlagsOf {
    pub(crate) flags: Arc<Flags>,
    pub(crate) first: usize,
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

    /// Makes a table of batches. `memory` holds their bytes and [`extra_bytes`](Self::extra_bytes), and
    /// keeps what the table takes in the end.
    pub(crate) async fn new(
        spec: &Spec,
        batches: Vec<RecordBatch>,
        flags: Option<FlagsOf>,
        memory: MemoryReservation,
    ) -> Result<Self> {
        let batch = concat_by_column(&spec.build_schema, batches).await?;
        let keys = Keys::of(&spec.build_keys, &batch, spec.null_equality)?;
        let index = Index::new(&keys, batch.num_rows()).await?;
        let rows = batch.num_rows();
        let flags = match (flags, spec.of_build()) {
            (Some(flags), _) => Some(flags),
            (None, Some(_)) => Some(FlagsOf {
                flags: Arc::new(Flags::new(rows)),
                first: 0,
            }),
            (None, None) => None,
        };
        let taken =
            bytes_of(&batch) + index.size() + flags.as_ref().map_or(0, |_| Flags::bytes(rows));
        memory.resize(taken);
        let (flags, first_flag) = flags.map_or((None, 0), |of| (Some(of.flags), of.first));
        Ok(Self {
            batch,
            keys: keys.columns,
            index,
            flags,
            first_flag,
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

    pub(crate) fn flag(&self, row: u32) {
        if let Some(flags) = &self.flags {
            flags.set(self.first_flag + row as usize);
        }
    }

    pub(crate) fn is_flagged(&self, row: usize) -> bool {
        self.flags
            .as_ref()
            .is_some_and(|flags| flags.get(self.first_flag + row))
    }

    /// The flags, where the join needs any.
    pub(crate) fn flags(&self) -> Option<Arc<Flags>> {
        self.flags.clone()
    }
}
