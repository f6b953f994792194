//! Blocks: some rows of one partition of a cached dataset, in memory, on disk, or both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::SpillCompression;
use datafusion::common::{Result, internal_datafusion_err};
use parking_lot::Mutex;
use plimsoll_exec::batches::bytes_of;
use plimsoll_exec::ipc;
use plimsoll_memory::BlockId;

use crate::dataset::Core;
use crate::file::{BlockFile, Place};
use crate::unit::Unit;

/// Bytes that a block takes whatever is in it: itself, and its places in its partition and in the order of use.
const OVERHEAD: u64 = 512;

/// How a block is held in memory.
#[derive(Clone)]
pub(crate) enum Content {
    /// As arrays, which readers share: Spark's deserialized levels.
    Arrays(RecordBatch),
    /// As a compressed Arrow IPC stream: Spark's serialized levels.
    Encoded(Bytes),
}

impl Content {
    /// Rows as a serialized level has them, in no more memory than they need.
    ///
    /// # Errors
    /// If the format does not know their arrays.
    pub(crate) fn encode(batch: &RecordBatch, compression: SpillCompression) -> Result<Self> {
        let encoded = ipc::encode(batch, compression)?.into_boxed_slice();
        Ok(Content::Encoded(encoded.into()))
    }

    /// The block as it goes to disk.
    fn encoded(&self, compression: SpillCompression) -> Result<Bytes> {
        match self {
            Content::Arrays(batch) => ipc::encode(batch, compression).map(Bytes::from),
            Content::Encoded(bytes) => Ok(bytes.clone()),
        }
    }

    /// Bytes that a block of it holds in memory, what describes its arrays included.
    pub(crate) fn bytes(&self) -> u64 {
        let content = match self {
            Content::Arrays(batch) => {
                let columns = batch.columns().iter();
                let described = columns.map(|column| {
                    let all = column.get_array_memory_size();
                    all.saturating_sub(column.get_buffer_memory_size())
                });
                bytes_of(batch) + described.sum::<usize>()
            }
            Content::Encoded(encoded) => encoded.len(),
        };
        content as u64 + OVERHEAD
    }

    /// Its rows, of these columns.
    pub(crate) fn rows(&self, schema: &SchemaRef, columns: &[usize]) -> Result<RecordBatch> {
        match self {
            Content::Arrays(batch) => Ok(batch.project(columns)?),
            Content::Encoded(bytes) => ipc::decode(schema, bytes, Some(columns)),
        }
    }
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
        let encoded = content.encoded(self.core.options.compression)?;
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
