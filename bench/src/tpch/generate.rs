//! Writing the tables: one job per file, a few threads, one row group in memory per thread.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Error, Result, bail};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::manifest::DataFile;
use super::{Scale, Table};
use crate::progress::Progress;

/// A row group is what a writer holds in memory, and a reader fetches its columns whole: about 20 MB of `lineitem`.
const ROWS_PER_ROW_GROUP: usize = 256 * 1024;

/// More threads than these would make memory grow with the machine and the disk not one byte faster.
const MOST_THREADS: usize = 8;

struct Job {
    table: Table,
    file: u32,
    files: u32,
}

impl Job {
    fn path(&self) -> String {
        format!("{}/part-{}.parquet", self.table.name(), self.file)
    }
}

/// Writes all tables into `dir`, which exists and is empty, and returns the files in the order of their paths.
pub(super) fn generate(dir: &Path, scale: Scale, progress: &Progress) -> Result<Vec<DataFile>> {
    for table in Table::ALL {
        let folder = dir.join(table.name());
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let jobs = Mutex::new(jobs(scale).into_iter());
    let stop = AtomicBool::new(false);
    let work = || -> Result<Vec<DataFile>> {
        let mut files = Vec::new();
        loop {
            // Only the iterator's step runs under this lock: it cannot panic half-way.
            let Some(job) = jobs.lock().unwrap_or_else(PoisonError::into_inner).next() else {
                return Ok(files);
            };
            match write(dir, scale, &job, progress, &stop) {
                Ok(Some(file)) => files.push(file),
                Ok(None) => return Ok(files),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };

    let threads = thread::available_parallelism()
        .map_or(1, NonZeroUsize::get)
        .min(MOST_THREADS);
    let mut files = thread::scope(|scope| -> Result<Vec<DataFile>> {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut files = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(done) => files.extend(done?),
                Err(_) => bail!("the TPC-H generator panicked; its message is above"),
            }
        }
        Ok(files)
    })?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The files to write, those of the big tables first, so that the threads end together.
fn jobs(scale: Scale) -> Vec<Job> {
    Table::ALL
        .into_iter()
        .flat_map(|table| {
            let files = table.files(scale);
            (0..files).map(move |file| Job { table, file, files })
        })
        .collect()
}

/// Writes one file; `None` when another thread failed meanwhile.
fn write(
    dir: &Path,
    scale: Scale,
    job: &Job,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Option<DataFile>> {
    let path = job.path();
    progress.now(path.clone());
    let cannot = || format!("cannot write {}", dir.join(&path).display());
    let batches = job.table.generate(scale, job.file, job.files);
    let file = File::create_new(dir.join(&path)).with_context(cannot)?;
    let mut writer = ArrowWriter::try_new_with_options(file, batches.schema(), writer_options())
        .map_err(cause)
        .with_context(cannot)?;
    for batch in batches {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let batch = batch.context("the TPC-H generator failed")?;
        writer.write(&batch).map_err(cause).with_context(cannot)?;
        progress.add(batch.num_rows() as u64);
    }
    let footer = writer.finish().map_err(cause).with_context(cannot)?;
    let rows = u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0);
    let bytes = writer.inner().metadata().with_context(cannot)?.len();
    Ok(Some(DataFile { path, rows, bytes }))
}

/// The error of the file beneath, when that is what Parquet's error is about: it would say everything twice.
fn cause(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => Error::new(*inner),
            Err(inner) => Error::from_boxed(inner),
        },
        other => Error::new(other),
    }
}

fn writer_options() -> ArrowWriterOptions {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROWS_PER_ROW_GROUP))
        .build();
    ArrowWriterOptions::new()
        .with_properties(properties)
        // The generator's strings are Arrow views. Without Arrow's own schema in the footer a reader sees plain Parquet
        // strings, as any other tool would have written them.
        .with_skip_arrow_metadata(true)
}
