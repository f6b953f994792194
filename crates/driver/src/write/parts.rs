use std::collections::HashMap;
use std::fs;
use std::ops::Add;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use uuid::Uuid;

use super::encoder::{Encoder, OpenFile};
use super::failed::{Failed, failed};
use super::held::Held;
use crate::error::Error;

/// What the files of a write are called and how they are made.
#[derive(Clone)]
pub(super) struct Making {
    pub(super) directory: PathBuf,
    /// Where they will be in the end, for messages.
    pub(super) target: Arc<Path>,
    /// Of the write: in the names of all its files.
    pub(super) id: Uuid,
    pub(super) encoder: Encoder,
    pub(super) schema: SchemaRef,
    /// The option `maxRecordsPerFile`.
    pub(super) most_rows: Option<u64>,
    /// Files that a writer has open at once. When another is needed, the one that was not written to for the
    /// longest time is completed; if rows for its partition come again, they go to a new file.
    pub(super) most_open: usize,
    /// The name of the one file that is written.
    pub(super) one_file: Option<String>,
}

/// The files of one writer: in Spark, those of a task.
pub(super) struct Parts {
    making: Making,
    /// The writer's number, from 0.
    number: usize,
    /// By the directory that they are in.
    open: HashMap<String, Part>,
    /// How many files each directory has got.
    begun: HashMap<String, u32>,
    /// What the open files hold in memory together.
    bytes_open: usize,
    held: Held,
    writes: u64,
    made: Made,
}

/// What came of a writer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) rows: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Add for Made {
    type Output = Made;

    fn add(self, other: Made) -> Made {
        Made {
            rows: self.rows + other.rows,
            files: self.files + other.files,
            bytes: self.bytes + other.bytes,
        }
    }
}

struct Part {
    file: OpenFile,
    rows: u64,
    last_write: u64,
    /// What it holds in memory, as it is counted in `bytes_open`.
    held: usize,
}

impl Parts {
    pub(super) fn new(making: Making, number: usize, held: Held) -> Self {
        Self {
            making,
            number,
            open: HashMap::new(),
            begun: HashMap::new(),
            bytes_open: 0,
            held,
            writes: 0,
            made: Made::default(),
        }
    }

    /// The columns in the files.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.making.schema
    }

    /// Writes rows to the file of a directory.
    ///
    /// # Errors
    /// If the system refuses, or a value cannot be written.
    pub(super) fn write(&mut self, directory: &str, mut rows: RecordBatch) -> Result<(), Error> {
        self.made.rows += rows.num_rows() as u64;
        let target = Arc::clone(&self.making.target);
        while rows.num_rows() > 0 {
            let most_rows = self.making.most_rows.unwrap_or(u64::MAX);
            let writes = self.writes;
            let part = self.part(directory)?;
            part.last_write = writes;
            let room = usize::try_from(most_rows - part.rows).unwrap_or(usize::MAX);
            let now = rows.num_rows().min(room);
            let written = part.file.write(&rows.slice(0, now));
            written.map_err(|error| error.about(&target))?;
            part.rows += now as u64;
            let is_full = part.rows == most_rows;
            self.measure(directory);
            self.bound_memory()?;
            if is_full {
                self.complete(directory)?;
            }
            rows = rows.slice(now, rows.num_rows() - now);
        }
        Ok(())
    }

    /// Makes an empty file that tells the columns.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn write_no_rows(&mut self) -> Result<(), Error> {
        self.part("").map(|_| ())
    }

    /// Completes all files that are open, and has one open at a time from here on.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn one_at_a_time(&mut self) -> Result<(), Error> {
        self.making.most_open = 1;
        self.complete_all()
    }

    /// Completes the files, and tells what they came to.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn finish(mut self) -> Result<Made, Error> {
        self.complete_all()?;
        Ok(self.made)
    }

    fn complete_all(&mut self) -> Result<(), Error> {
        let directories: Vec<String> = self.open.keys().cloned().collect();
        directories
            .iter()
            .try_for_each(|directory| self.complete(directory))
    }

    /// The open file of a directory.
    fn part(&mut self, directory: &str) -> Result<&mut Part, Error> {
        if !self.open.contains_key(directory) {
            if self.open.len() >= self.making.most_open
                && let Some(oldest) = self.open.iter().min_by_key(|(_, part)| part.last_write)
            {
                let oldest = oldest.0.clone();
                self.complete(&oldest)?;
            }
            let part = self.begin(directory)?;
            self.open.insert(directory.to_owned(), part);
        }
        self.writes += 1;
        self.open
            .get_mut(directory)
            .ok_or_else(|| failed("a file that was opened is not there"))
    }

    fn begin(&mut self, directory: &str) -> Result<Part, Error> {
        let folder = self.making.directory.join(directory);
        let name = self.name(directory);
        let making = &self.making;
        let file = fs::create_dir_all(&folder)
            .map_err(Failed::System)
            .and_then(|()| making.encoder.open(&folder.join(name), &making.schema));
        Ok(Part {
            file: file.map_err(|error| error.about(&making.target))?,
            rows: 0,
            last_write: 0,
            held: 0,
        })
    }

    /// The name of the next file of a directory.
    fn name(&mut self, directory: &str) -> String {
        if let Some(name) = &self.making.one_file {
            return name.clone();
        }
        let count = self.begun.entry(directory.to_owned()).or_default();
        let name = format!(
            "part-{:05}-{}{}c{count:03}{}",
            self.number,
            self.making.id,
            // Spark's own names differ so.
            if directory.is_empty() { '-' } else { '.' },
            self.making.encoder.ending()
        );
        *count += 1;
        name
    }

    fn complete(&mut self, directory: &str) -> Result<(), Error> {
        let Some(part) = self.open.remove(directory) else {
            return Ok(());
        };
        let finished = part.file.finish();
        self.made.bytes += finished.map_err(|error| error.about(&self.making.target))?;
        self.made.files += 1;
        self.bytes_open -= part.held;
        self.held.has_to_be(self.bytes_open);
        Ok(())
    }

    /// Takes in what the file of a directory holds now.
    fn measure(&mut self, directory: &str) {
        if let Some(part) = self.open.get_mut(directory) {
            let before = std::mem::replace(&mut part.held, part.file.memory());
            self.bytes_open = self.bytes_open - before + part.held;
        }
    }

    /// Lets the files that hold most let go of it while all together hold more than they may.
    fn bound_memory(&mut self) -> Result<(), Error> {
        while !self.held.may_be(self.bytes_open) {
            let before = self.bytes_open;
            let largest = self.open.iter_mut().max_by_key(|(_, part)| part.held);
            let Some((directory, part)) = largest else {
                break;
            };
            let flushed = part.file.flush();
            flushed.map_err(|error| error.about(&self.making.target))?;
            let directory = directory.clone();
            self.measure(&directory);
            if self.bytes_open >= before {
                self.held.has_to_be(self.bytes_open);
                break;
            }
        }
        Ok(())
    }
}
