use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use uuid::Uuid;

use super::encoder::{Encoder, OpenFile};
use super::partitions::PartitionBy;
use super::{failed, projected};
use crate::error::Error;

/// Files that are open at once. When another is needed, the one that was not written to for the longest
/// time is completed; if rows for its partition come again, they go to a new file.
const MOST_OPEN: usize = 64;

/// What open files may hold in memory together, in bytes; Parquet files end their row groups for it.
const MOST_BUFFERED: usize = 32 << 20;

/// The files of a write.
pub(super) struct Parts {
    directory: PathBuf,
    id: Uuid,
    encoder: Encoder,
    schema: SchemaRef,
    partition_by: PartitionBy,
    most_rows: Option<u64>,
    /// By the directory that they are in.
    open: HashMap<String, Part>,
    /// How many files each directory has got.
    begun: HashMap<String, u32>,
    writes: u64,
    rows: u64,
}

struct Part {
    file: OpenFile,
    rows: u64,
    last_write: u64,
}

impl Parts {
    /// Files in `directory` of at most `most_rows` rows each.
    pub(super) fn new(
        directory: &Path,
        encoder: Encoder,
        schema: SchemaRef,
        partition_by: PartitionBy,
        most_rows: Option<u64>,
    ) -> Self {
        Self {
            directory: directory.to_owned(),
            id: Uuid::new_v4(),
            encoder,
            schema,
            partition_by,
            most_rows,
            open: HashMap::new(),
            begun: HashMap::new(),
            writes: 0,
            rows: 0,
        }
    }

    /// Writes rows to the files of their partitions.
    ///
    /// # Errors
    /// If the system refuses, or a value cannot be written.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        let groups = match self.partition_by.is_empty() {
            true => vec![(String::new(), batch.clone())],
            false => self.partition_by.split(batch)?,
        };
        for (directory, rows) in groups {
            let rows = projected(&rows, self.partition_by.others(), &self.schema);
            self.write_to(&directory, rows.map_err(failed)?)?;
            self.bound_memory()?;
        }
        Ok(())
    }

    /// Completes the files, and gives the number of rows in them.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn finish(mut self) -> Result<u64, Error> {
        // Without rows there is a file that tells the columns.
        if self.rows == 0 && self.partition_by.is_empty() {
            self.part("")?;
        }
        for (_, part) in self.open {
            part.file.finish()?;
        }
        Ok(self.rows)
    }

    fn write_to(&mut self, directory: &str, mut rows: RecordBatch) -> Result<(), Error> {
        while rows.num_rows() > 0 {
            let most_rows = self.most_rows.unwrap_or(u64::MAX);
            let part = self.part(directory)?;
            let room = usize::try_from(most_rows - part.rows).unwrap_or(usize::MAX);
            let now = rows.num_rows().min(room);
            part.file.write(&rows.slice(0, now))?;
            part.rows += now as u64;
            if part.rows == most_rows {
                self.complete(directory)?;
            }
            rows = rows.slice(now, rows.num_rows() - now);
        }
        Ok(())
    }

    /// The open file of a directory.
    fn part(&mut self, directory: &str) -> Result<&mut Part, Error> {
        if !self.open.contains_key(directory) {
            if self.open.len() >= MOST_OPEN
                && let Some(oldest) = self.open.iter().min_by_key(|(_, part)| part.last_write)
            {
                let oldest = oldest.0.clone();
                self.complete(&oldest)?;
            }
            let part = self.begin(directory)?;
            self.open.insert(directory.to_owned(), part);
        }
        self.writes += 1;
        let writes = self.writes;
        let part = self
            .open
            .get_mut(directory)
            .ok_or_else(|| failed("a file that was opened is not there"))?;
        part.last_write = writes;
        Ok(part)
    }

    fn begin(&mut self, directory: &str) -> Result<Part, Error> {
        let path = self.directory.join(directory);
        fs::create_dir_all(&path).map_err(|source| Error::System {
            what: format!("cannot make the directory {directory}"),
            source,
        })?;
        let number = self.begun.entry(directory.to_owned()).or_default();
        let name = format!(
            "part-00000-{}{}c{number:03}{}",
            self.id,
            // Spark's own names differ so.
            if directory.is_empty() { '-' } else { '.' },
            self.encoder.ending()
        );
        *number += 1;
        Ok(Part {
            file: self.encoder.open(&path.join(name), &self.schema)?,
            rows: 0,
            last_write: 0,
        })
    }

    fn complete(&mut self, directory: &str) -> Result<(), Error> {
        match self.open.remove(directory) {
            Some(part) => part.file.finish(),
            None => Ok(()),
        }
    }

    /// Lets the files that hold most let go of it while all together hold too much.
    fn bound_memory(&mut self) -> Result<(), Error> {
        let held = |part: &Part| part.file.memory();
        let mut total: usize = self.open.values().map(held).sum();
        while total > MOST_BUFFERED {
            let Some(largest) = self.open.values_mut().max_by_key(|part| part.file.memory()) else {
                break;
            };
            let before = largest.file.memory();
            largest.file.flush()?;
            let freed = before.saturating_sub(largest.file.memory());
            if freed == 0 {
                break;
            }
            total -= freed;
        }
        Ok(())
    }
}
