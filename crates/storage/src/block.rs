//! Blocks: some rows of one partition of a cached dataset, in memory, on disk, or both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_datafusion_err};
use parking_lot::Mutex;
use plimsoll_exec::batches::bytes_of;
use plimsoll_exec::ipc;
use plimsoll_memory::BlockId;

use crate::dataset::Core;
use crate::file::{BlockFile, Place};
use crate::packed::PackedRows;
use crate::unit::Unit;

/// Bytes that a block takes whatever is in it: itself, and its places in its partition and in the order of use.
const OVERHEAD: u64 = 512;

/// How a block is held in memory.
#[derive(Clone)]
pub(crate) enum Content {
    /// As arrays, which readers share: Spark's deserialized levels.
    Arrays(RecordBatch),
    /// As columns in less memory, of which readers unpack what they need: Spark's serialized levels.
    Packed(Arc<PackedRows>),
}

impl Content {
    /// Rows as a dataset's level has them, in no more memory than they need. The buffers of `batch` are its own.
    ///
    /// # Errors
    /// If there are arrays that cannot be packed.
    pub(crate) fn new(batch: RecordBatch, core: &Core) -> Result<Self> {
        Ok(match core.level.deserialized {
            true => Content::Arrays(batch),
            false => Content::Packed(Arc::new(PackedRows::new(&batch, core.options.compression)?)),
        })
    }

    /// The block as it goes to disk: a compressed Arrow IPC stream.
    fn encoded(&self, core: &Core) -> Result<Vec<u8>> {
        ipc::encode(&self.rows(&core.schema)?, core.options.compression)
    }

    /// Bytes that a block of it holds in memory, what describes its arrays included.
    pub(crate) fn bytes(&self) -> u64 {
        let content = match self {
            Content::Arrays(batch) => {
                let described = batch.columns().iter().map(described_in);
                bytes_of(batch) + described.sum::<usize>()
            }
            Content::Packed(packed) => packed.bytes(),
        };
        content as u64 + OVERHEAD
    }

    /// All its rows.
    pub(crate) fn rows(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        match self {
            Content::Arrays(batch) => Ok(batch.clone()),
            Content::Packed(packed) => packed.rows(schema),
        }
    }
}

/// Bytes of what describes an array, its buffers left out.
pub(crate) fn described_in(array: &ArrayRef) -> usize {
    let all = array.get_array_memory_size();
    all.saturating_sub(array.get_buffer_memory_size())
}

/// Some rows of a cached partition: Spark's block, of which a partition here has as many as it takes.
pub(crate) struct Block {
    pub(crate) id: BlockId,
    pub(crate) rows: usize,
    /// What it takes in memory, in bytes, whether it is there or not.
    bytes: AtomicU64,
    pub(crate) core: Arc<Core>,
    /// What it was computed with.
    pub(crate) unit: Weak<Unit>,
    file: Arc<BlockFile>,
    held: Mutex<Held>,
    /// Its place in the order of use, 0 while it is in none; the store's own.
    pub(crate) used: AtomicU64,
}

struct Held {
    memory: Option<Content>,
    disk: Option<Place>,
}

/// Where a block is to be read from.
pub(crate) enum Found {
    Memory(Content),
    Disk(Place),
}

impl Block {
    pub(crate) fn in_memory(
        (id, unit): (BlockId, &Arc<Unit>),
        file: Arc<BlockFile>,
        rows: usize,
        (content, bytes): (Content, u64),
    ) -> Arc<Self> {
        Self::new((id, unit), file, (rows, bytes), Some(content), None)
    }

    pub(crate) fn on_disk(
        (id, unit): (BlockId, &Arc<Unit>),
        file: Arc<BlockFile>,
        (rows, bytes): (usize, u64),
        place: Place,
    ) -> Arc<Self> {
        Self::new((id, unit), file, (rows, bytes), None, Some(place))
    }

    fn new(
        (id, unit): (BlockId, &Arc<Unit>),
        file: Arc<BlockFile>,
        (rows, bytes): (usize, u64),
        memory: Option<Content>,
        disk: Option<Place>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            rows,
            bytes: AtomicU64::new(bytes),
            core: Arc::clone(unit.core()),
            unit: Arc::downgrade(unit),
            file,
            held: Mutex::new(Held { memory, disk }),
            used: AtomicU64::new(0),
        })
    }

    /// Where it is.
    ///
    /// # Errors
    /// If it is nowhere, which no reader should find.
    pub(crate) fn find(&self) -> Result<Found> {
        let held = self.held.lock();
        match (&held.memory, held.disk) {
            (Some(content), _) => Ok(Found::Memory(content.clone())),
            (None, Some(place)) => Ok(Found::Disk(place)),
            (None, None) => Err(internal_datafusion_err!(
                "block {} of a cached table is gone while it is read",
                self.id
            )),
        }
    }

    /// Reads it from its file.
    ///
    /// # Errors
    /// If the file was truncated or is gone.
    pub(crate) fn read(&self, place: Place) -> Result<Bytes> {
        self.file.read(place).map(Bytes::from)
    }

    /// Makes sure that it is on disk.
    ///
    /// # Errors
    /// If the disk is full.
    pub(crate) fn write(&self) -> Result<()> {
        let content = match &*self.held.lock() {
            Held {
                memory: Some(content),
                disk: None,
            } => content.clone(),
            _ => return Ok(()),
        };
        let encoded = content.encoded(&self.core)?;
        let place = self.file.append(&encoded)?;
        self.core.counters.on_disk.add(place.length as u64);
        self.held.lock().disk = Some(place);
        Ok(())
    }

    /// Takes it out of memory, and returns the bytes that this frees.
    pub(crate) fn let_go(&self) -> u64 {
        let mut held = self.held.lock();
        held.memory = None;
        self.bytes()
    }

    /// Takes it back into memory, where room was made for it, unless it is there.
    pub(crate) fn put_back(&self, content: Content, bytes: u64) -> bool {
        let mut held = self.held.lock();
        let is_missing = held.memory.is_none();
        if is_missing {
            held.memory = Some(content);
            self.bytes.store(bytes, Ordering::Relaxed);
        }
        is_missing
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that it takes on disk, if it is there.
    pub(crate) fn bytes_on_disk(&self) -> Option<u64> {
        self.held.lock().disk.map(|place| place.length as u64)
    }

    pub(crate) fn is_only_on_disk(&self) -> bool {
        let held = self.held.lock();
        held.memory.is_none() && held.disk.is_some()
    }

    pub(crate) fn is_in_order(&self) -> bool {
        self.used.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(place) = self.held.get_mut().disk {
            self.core.counters.on_disk.sub(place.length as u64);
        }
    }
}
