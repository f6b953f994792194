//! Results on their way to whoever asked: counted against `spark.driver.maxResultSize`, and collected in the driver's part
//! of the memory.
//!
//! * [`size`]: what a result takes in the form in which it is sent, and the error of one that takes too much.
//! * [`collected`]: a result that is all there, in memory or on disk.
//! * [`file`]: the file of what had no room in memory.
//! * [`offsets`]: what columns have that rows do not.

mod collected;
mod file;
mod offsets;
mod size;

use std::num::NonZeroU64;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::SpillCompression;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::disk_manager::DiskManagerBuilder;
use futures::StreamExt;
use plimsoll_conf::settings::Codec;
use plimsoll_exec::batches::{bytes_of, content_bytes, owned};
use plimsoll_exec::ipc;
use plimsoll_memory::DriverMemory;

pub use self::collected::Collected;
pub use self::size::ResultTooLarge;

use self::collected::Collector;
use self::offsets::as_rows;
use self::size::ResultSize;
use crate::advice::for_large_result;
use crate::error::Error;
use crate::query::{Query, Rows};

/// What the rows of a query need of their session to be counted and collected.
pub(crate) struct Delivery {
    pub(crate) driver: Arc<DriverMemory>,
    /// Where a result goes that the driver has no room for.
    pub(crate) disk: DiskManagerBuilder,
    pub(crate) compression: SpillCompression,
    size: ResultSize,
}

impl Delivery {
    /// `most` is `spark.driver.maxResultSize`, and `codec` that of `spark.io.compression.codec`.
    pub(crate) fn new(
        driver: Arc<DriverMemory>,
        disk: DiskManagerBuilder,
        most: Option<NonZeroU64>,
        codec: Option<Codec>,
    ) -> Self {
        Self {
            driver,
            disk,
            // Spark compresses what `collect` sends whether or not it compresses spills.
            compression: match codec {
                Some(Codec::Zstd) => SpillCompression::Zstd,
                _ => SpillCompression::Lz4Frame,
            },
            size: ResultSize::new(most),
        }
    }

    /// Counts rows and the bytes that they are sent as.
    pub(crate) fn count(
        &mut self,
        query: &Query,
        rows: &RecordBatch,
        bytes: u64,
    ) -> Result<(), Error> {
        let counted = self.size.add(rows.num_rows() as u64, as_rows(rows, bytes));
        counted.map_err(|exceeded| {
            let error = exceeded.of(query);
            query.set_advice(for_large_result(&error));
            Error::ResultTooLarge(error)
        })
    }
}

impl Rows {
    /// The whole result, in the form in which it is counted against `spark.driver.maxResultSize`: Spark's
    /// `Dataset.collect`. It is in memory as far as the driver's part has room, and in a spill file beyond that.
    ///
    /// To have the batches as they come, without a bound and without keeping them, read the rows as the stream that they are.
    ///
    /// # Errors
    /// What is wrong with the rows; [`Error::ResultTooLarge`], which ends the query at once; and [`Error::Spill`] if the disk is
    /// full.
    pub async fn collect(mut self) -> Result<Collected, Error> {
        let mut collector = Collector::new(self.schema(), self.delivery());
        // The last of it may still fail to go to disk when the last row has come.
        self.leave_query_open();
        while let Some(batch) = self.next().await {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let block =
                encode(&batch, collector.compression()).map_err(|error| self.fail(error))?;
            self.count_result(&batch, block.len() as u64)?;
            collector
                .add(batch.num_rows() as u64, block)
                .map_err(|error| self.fail(error))?;
        }
        let collected = collector.finish().map_err(|error| self.fail(error))?;
        self.finish();
        Ok(collected)
    }
}

/// A block of a result: the batch without values that its rows do not have, compressed.
fn encode(batch: &RecordBatch, compression: SpillCompression) -> Result<Box<[u8]>> {
    let shares_much = bytes_of(batch) > 2 * content_bytes(batch);
    let encoded = match shares_much {
        true => ipc::encode(
            &owned(batch.schema_ref(), std::slice::from_ref(batch))?,
            compression,
        ),
        false => ipc::encode(batch, compression),
    };
    let encoded = encoded.map_err(|error| {
        exec_datafusion_err!(
            "these rows cannot be collected: {}",
            error.strip_backtrace()
        )
    })?;
    Ok(encoded.into_boxed_slice())
}
