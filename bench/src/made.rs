//! Data that is made once.

use std::fs::{self, File};
use std::path::Path;
use std::process;

use anyhow::{Context, Result};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::progress::Progress;

/// Has `write` make a directory, unless it is there. One that was not finished never stands under its name.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn ensure(
    directory: &Path,
    what: &str,
    write: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    if directory.exists() {
        return Ok(());
    }
    let cannot = || format!("cannot write {}", directory.display());
    let progress = Progress::new(1, "{msg} {elapsed}");
    progress.say(&format!("making {what}"));
    let partial = directory.with_extension(format!("partial-{}", process::id()));
    let written = fs::create_dir_all(&partial)
        .map_err(Into::into)
        .and_then(|()| write(&partial));
    if written.is_err() {
        // What is left of it is of no use; that it cannot be removed either adds nothing.
        let _ = fs::remove_dir_all(&partial);
    }
    written.with_context(cannot)?;
    fs::rename(&partial, directory).with_context(cannot)
}

/// Rows written at a time.
const BATCH: u64 = 64 << 10;

/// Writes a table of so many rows as a Parquet file in a folder of its own. `batch` makes the rows from one place up to
/// another.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn table(
    directory: &Path,
    name: &str,
    rows: u64,
    batch: impl Fn(std::ops::Range<u64>) -> Result<RecordBatch>,
) -> Result<()> {
    let folder = directory.join(name);
    fs::create_dir_all(&folder)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let file = File::create(folder.join("1.parquet"))?;
    let mut writer = ArrowWriter::try_new(file, batch(0..1)?.schema(), Some(properties.build()))?;
    for start in (0..rows).step_by(BATCH as usize) {
        writer.write(&batch(start..rows.min(start + BATCH))?)?;
    }
    writer.close()?;
    Ok(())
}
