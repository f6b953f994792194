use std::borrow::Cow;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::config::SpillCompression;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use plimsoll_exec::ipc;
use plimsoll_memory::{DriverAccount, DriverUse};

use super::Delivery;
use super::file::{Place, ResultFile};
use crate::error::Error;

/// The result of a query, all of it: compressed, in the driver's part of the memory as far as there was room, and on disk
/// beyond that. Dropped, it gives both back.
///
/// What Spark's `collect` answers with is an array of rows in the heap of the driver, which must have room for it.
pub struct Collected {
    schema: SchemaRef,
    blocks: Vec<Block>,
    rows: u64,
    in_memory: u64,
    file: Option<ResultFile>,
    /// What is in memory, on the books of the driver; a command's answer, which was there before it was asked for, is not.
    account: Option<DriverAccount>,
}

enum Block {
    InMemory(Box<[u8]>),
    OnDisk(Place),
}

impl Collected {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> u64 {
        self.rows
    }

    /// What of it is in memory, in bytes: compressed, as it is counted.
    pub fn bytes_in_memory(&self) -> u64 {
        self.in_memory
    }

    /// What of it is on disk, in bytes.
    pub fn bytes_on_disk(&self) -> u64 {
        self.file.as_ref().map_or(0, ResultFile::bytes)
    }

    /// The rows, in the order in which the query gave them. Each batch is decoded when it is asked for, so that one of them at
    /// a time takes memory beside the blocks. They can be asked for again.
    ///
    /// # Errors
    /// If the file of those on disk was truncated or is gone.
    pub fn batches(&self) -> impl Iterator<Item = Result<RecordBatch, Error>> + '_ {
        let batches = self.blocks.iter().map(|block| self.decode(block));
        batches.map(|batch| batch.map_err(|error| Error::Spill(error.strip_backtrace())))
    }

    fn decode(&self, block: &Block) -> Result<RecordBatch> {
        let bytes: Cow<'_, [u8]> = match (block, &self.file) {
            (Block::InMemory(bytes), _) => bytes.as_ref().into(),
            (Block::OnDisk(place), Some(file)) => file.read(*place)?.into(),
            // Blocks are put on disk through the file that is kept here.
            (Block::OnDisk(_), None) => Vec::new().into(),
        };
        ipc::decode(&self.schema, &bytes, None)
    }
}

/// A result that is being collected.
pub(super) struct Collector {
    collected: Collected,
    compression: SpillCompression,
    disk: Option<DiskManagerBuilder>,
}

impl Collector {
    /// Without a delivery all of it is kept in memory: the answer of a command, which is there already.
    pub(super) fn new(schema: SchemaRef, delivery: Option<&Delivery>) -> Self {
        let account = delivery.map(|delivery| delivery.driver.account(DriverUse::Results));
        Self {
            collected: Collected {
                schema,
                blocks: Vec::new(),
                rows: 0,
                in_memory: 0,
                file: None,
                account,
            },
            compression: delivery.map_or(SpillCompression::Lz4Frame, |of| of.compression),
            disk: delivery.map(|delivery| delivery.disk.clone()),
        }
    }

    pub(super) fn compression(&self) -> SpillCompression {
        self.compression
    }

    /// Takes in a block of so many rows.
    ///
    /// # Errors
    /// If it has to go to disk and cannot.
    pub(super) fn add(&mut self, rows: u64, block: Box<[u8]>) -> Result<()> {
        let bytes = block.len() as u64;
        let block = match self.has_room(bytes) {
            true => {
                self.collected.in_memory += bytes;
                Block::InMemory(block)
            }
            false => Block::OnDisk(self.file()?.append(&block)?),
        };
        self.collected.blocks.push(block);
        self.collected.rows += rows;
        Ok(())
    }

    fn has_room(&mut self, bytes: u64) -> bool {
        let account = self.collected.account.as_mut();
        account.is_none_or(|account| account.try_grow(bytes))
    }

    fn file(&mut self) -> Result<&mut ResultFile> {
        let file = match self.collected.file.take() {
            Some(file) => file,
            None => ResultFile::create(self.disk.clone().unwrap_or_default())?,
        };
        Ok(self.collected.file.insert(file))
    }

    /// # Errors
    /// If what was written last cannot be.
    pub(super) fn finish(mut self) -> Result<Collected> {
        if let Some(file) = &mut self.collected.file {
            file.close()?;
        }
        Ok(self.collected)
    }
}
