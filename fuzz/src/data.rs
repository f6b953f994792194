//! Tables of a case as batches, as Parquet files, and as tables of DataFusion.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::MemTable;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::{ParquetReadOptions, SessionContext};

use crate::case::{Storage, Table};

impl Table {
    /// Its columns.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().enumerate();
        let fields = fields
            .map(|(name, column)| Field::new(format!("c{name}"), column.kind.data_type(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Its rows.
    ///
    /// # Errors
    /// If Arrow does not make a batch of them.
    pub fn batch(&self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|column| {
                let ordinals: Vec<_> = self.row_numbers().map(|row| column.ordinal(row)).collect();
                let mut array = column.kind.array(&ordinals);
                // How much memory a table takes is for the case to say, and not for who built its buffers.
                if let Some(array) = Arc::get_mut(&mut array) {
                    array.shrink_to_fit();
                }
                array
            })
            .collect();
        RecordBatch::try_new(self.schema(), columns).context("a table of a case is no batch")
    }
}

/// Where a table's Parquet files are.
pub fn folder(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("t{number}"))
}

/// Makes the tables tables of `context`. Those that are in memory are written as files too if there is
/// another engine that reads them, `with_files`.
///
/// # Errors
/// If a file cannot be written, or not be read again.
pub async fn place(
    tables: &[Table],
    directory: &Path,
    context: &SessionContext,
    with_files: bool,
) -> Result<()> {
    for (number, table) in tables.iter().enumerate() {
        let batch = table.batch()?;
        let (files, row_group) = match table.storage {
            Storage::Parquet { files, row_group } => (files, row_group),
            Storage::Memory { .. } => (1, 8192),
        };
        let folder = folder(directory, number);
        if with_files || matches!(table.storage, Storage::Parquet { .. }) {
            write(&batch, &folder, files, row_group)
                .with_context(|| format!("cannot write {}", folder.display()))?;
        }
        let name = format!("t{number}");
        match table.storage {
            Storage::Parquet { .. } => {
                let path = format!("{}/", folder.display());
                let options = ParquetReadOptions::default();
                context.register_parquet(name, path, options).await?;
            }
            Storage::Memory {
                partitions,
                batch_rows,
            } => {
                let partitions = pieces(&batch, usize::from(partitions))
                    .iter()
                    .map(|piece| batches(piece, batch_rows as usize))
                    .collect();
                let memory = MemTable::try_new(batch.schema(), partitions)?;
                context.register_table(name, Arc::new(memory))?;
            }
        }
    }
    Ok(())
}

fn write(batch: &RecordBatch, folder: &Path, files: u8, row_group: u32) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (number, piece) in pieces(batch, usize::from(files)).iter().enumerate() {
        let file = File::create(folder.join(format!("part-{number}.parquet")))?;
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(row_group.max(1) as usize))
            .build();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties))?;
        writer.write(piece)?;
        writer.close()?;
    }
    Ok(())
}

/// The rows in so many pieces, of which the last may be shorter, or empty.
fn pieces(batch: &RecordBatch, count: usize) -> Vec<RecordBatch> {
    let count = count.max(1);
    let each = batch.num_rows().div_ceil(count);
    let piece = |number: usize| {
        let from = (number * each).min(batch.num_rows());
        batch.slice(from, each.min(batch.num_rows() - from))
    };
    (0..count).map(piece).collect()
}

fn batches(piece: &RecordBatch, rows: usize) -> Vec<RecordBatch> {
    let rows = rows.max(1);
    let starts = (0..piece.num_rows()).step_by(rows);
    let cut = |from: usize| piece.slice(from, rows.min(piece.num_rows() - from));
    starts.map(cut).collect()
}
