use std::sync::Arc;

use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;

/// Rows that conditions have left of blocks, put together until there are enough to be worth handing on. Those of a block that
/// has enough by itself are handed on as they are.
pub(crate) struct Left {
    schema: SchemaRef,
    batches: BatchCoalescer,
    /// Rows without columns.
    counted: usize,
    batch_size: usize,
}

impl Left {
    /// In batches of about so many rows.
    pub(crate) fn new(schema: &SchemaRef, batch_size: usize) -> Self {
        let batches = BatchCoalescer::new(Arc::clone(schema), batch_size)
            .with_biggest_coalesce_batch_size(Some(batch_size / 2));
        Self {
            schema: Arc::clone(schema),
            batches,
            counted: 0,
            batch_size,
        }
    }

    /// Adds what is left of a block. Where only `fetch` rows are wanted, they are handed on as soon as they are there.
    pub(crate) fn add(&mut self, rows: RecordBatch, fetch: Option<usize>) -> Result<()> {
        if self.schema.fields().is_empty() {
            self.counted += rows.num_rows();
            return Ok(());
        }
        if rows.num_rows() > 0 {
            self.batches.push_batch(rows)?;
        }
        if fetch.is_some_and(|fetch| self.batches.get_buffered_rows() >= fetch) {
            self.batches.finish_buffered_batch()?;
        }
        Ok(())
    }

    /// A batch, if one is full.
    pub(crate) fn take(&mut self) -> Option<RecordBatch> {
        match self.counted >= self.batch_size {
            true => self.take_counted(),
            false => self.batches.next_completed_batch(),
        }
    }

    /// What is left, if anything is. To be called when all was added and taken that was full.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if self.counted > 0 {
            return Ok(self.take_counted());
        }
        self.batches.finish_buffered_batch()?;
        Ok(self.batches.next_completed_batch())
    }

    fn take_counted(&mut self) -> Option<RecordBatch> {
        let rows = self.counted.min(self.batch_size);
        self.counted -= rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &options).ok()
    }
}
