//! Rows on disk.
//!
//! An operator that spills has many pieces (the partitions of a join, the sorted runs of a sort), and a file
//! for each would soon be more files than a process may have open. So all pieces that one thread writes
//! together share a [`RunFile`], to which their rows are appended in turn; a [`Run`] is the list of places
//! where those of one piece lie. Each place holds one batch as an Arrow IPC stream, compressed as the
//! session says, and can be read by itself.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::SpillCompression;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion_execution::{SpillFile, SpillWriter};
use parking_lot::Mutex;

use crate::ipc;

/// Where one operator's rows go that memory does not hold.
pub(crate) struct Disk {
    manager: Arc<DiskManager>,
    compression: SpillCompression,
    metrics: SpillMetrics,
    /// The operator in words, such as "a hash join".
    operator: &'static str,
}

impl Disk {
    pub(crate) fn new(
        context: &TaskContext,
        metrics: SpillMetrics,
        operator: &'static str,
    ) -> Arc<Self> {
        Arc::new(Self {
            manager: Arc::clone(&context.runtime_env().disk_manager),
            compression: context
                .session_config()
                .options()
                .execution
                .spill_compression,
            metrics,
            operator,
        })
    }
}

/// A temporary file that holds the rows of many runs. It is removed when nobody refers to it.
pub(crate) struct RunFile {
    file: Arc<dyn SpillFile>,
    schema: SchemaRef,
    disk: Arc<Disk>,
    writer: Mutex<(Box<dyn SpillWriter>, u64)>,
    /// Whether what is in it are rows of the query.
    has_rows: bool,
}

/// Where one batch lies in a file.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    length: usize,
    rows: usize,
}

/// The rows of one piece in a file, in the order in which they were written.
#[derive(Clone, Default)]
pub(crate) struct Run {
    file: Option<Arc<RunFile>>,
    places: Vec<Place>,
    pub(crate) rows: usize,
    /// Bytes that the rows take in memory.
    pub(crate) bytes: usize,
    /// Bytes that the largest of its batches takes in memory.
    pub(crate) largest: usize,
}

impl RunFile {
    /// # Errors
    /// If no temporary file can be made.
    pub(crate) fn create(disk: &Arc<Disk>, schema: &SchemaRef) -> Result<Arc<Self>> {
        Self::new(disk, schema, true)
    }

    /// A file for notes about rows, which are not counted as spilled rows themselves.
    ///
    /// # Errors
    /// If no temporary file can be made.
    pub(crate) fn of_marks(disk: &Arc<Disk>, schema: &SchemaRef) -> Result<Arc<Self>> {
        Self::new(disk, schema, false)
    }

    fn new(disk: &Arc<Disk>, schema: &SchemaRef, has_rows: bool) -> Result<Arc<Self>> {
        let file = disk
            .manager
            .create_tmp_file(&format!("{} spills", disk.operator))?;
        let writer = file.open_writer()?;
        disk.metrics.spill_file_count.add(1);
        Ok(Arc::new(Self {
            file,
            schema: Arc::clone(schema),
            disk: Arc::clone(disk),
            writer: Mutex::new((writer, 0)),
            has_rows,
        }))
    }

    /// Appends a batch to the file and its place to `run`. `bytes` is what it takes in memory.
    ///
    /// # Errors
    /// If the disk is full, or the directory holds as much as it may.
    pub(crate) fn append(
        self: &Arc<Self>,
        run: &mut Run,
        batch: &RecordBatch,
        bytes: usize,
    ) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let encoded = ipc::encode(batch, self.disk.compression)?;
        let mut writer = self.writer.lock();
        let (file, offset) = &mut *writer;
        file.write_all(&encoded)
            .map_err(|error| self.failed("written", error.into()))?;
        run.places.push(Place {
            offset: *offset,
            length: encoded.len(),
            rows: batch.num_rows(),
        });
        *offset += encoded.len() as u64;
        run.file.get_or_insert_with(|| Arc::clone(self));
        run.rows += batch.num_rows();
        run.bytes += bytes;
        run.largest = run.largest.max(bytes);
        let metrics = &self.disk.metrics;
        metrics.spilled_bytes.add(encoded.len());
        if self.has_rows {
            metrics.spilled_rows.add(batch.num_rows());
        }
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    fn failed(&self, what: &str, error: DataFusionError) -> DataFusionError {
        let path = self
            .path()
            .map_or_else(String::new, |path| format!(" {}", path.display()));
        error.context(format!(
            "The spill file{path} of {} cannot be {what}. \
             Spill files go to spark.local.dir, which must have room and be left alone while a query runs",
            self.disk.operator
        ))
    }

    fn open(&self) -> Result<File> {
        let Some(path) = self.path() else {
            return Err(exec_datafusion_err!(
                "{} spills to files of this machine only, and the disk manager has another store",
                self.disk.operator
            ));
        };
        File::open(path).map_err(|error| self.failed("read", error.into()))
    }

    fn read(&self, file: &mut File, place: Place) -> Result<RecordBatch> {
        let mut encoded = vec![0; place.length];
        let read = file
            .seek(SeekFrom::Start(place.offset))
            .and_then(|_| file.read_exact(&mut encoded));
        read.map_err(|error| self.failed("read: it was truncated or changed", error.into()))?;
        let decoded = ipc::decode(&self.schema, &encoded, None);
        match decoded.map_err(|error| self.failed("read", error))? {
            batch if batch.num_rows() == place.rows => Ok(batch),
            _ => Err(self.failed("read", exec_datafusion_err!("rows are missing in it"))),
        }
    }
}

impl RunFile {
    /// Reads one batch for each group of places. Returns the file that it opened for it, for the next
    /// call.
    fn read_groups(
        &self,
        open: Option<File>,
        groups: &[Vec<Place>],
    ) -> Result<(File, VecDeque<RecordBatch>)> {
        let mut open = match open {
            Some(open) => open,
            None => self.open()?,
        };
        let mut batches = VecDeque::with_capacity(groups.len());
        for places in groups {
            let pieces: Vec<RecordBatch> = places
                .iter()
                .map(|place| self.read(&mut open, *place))
                .collect::<Result<_>>()?;
            batches.push_back(match pieces.as_slice() {
                [only] => only.clone(),
                several => concat_batches(&self.schema, several)?,
            });
        }
        Ok((open, batches))
    }
}

impl Run {
    /// Reads the rows from the first, in batches of about `batch_size` rows.
    pub(crate) fn reader(&self, batch_size: usize) -> RunReader {
        RunReader {
            run: self.clone(),
            next: 0,
            batch_size,
            at_once: READ_AT_ONCE,
            open: None,
            ready: VecDeque::new(),
        }
    }

    /// Reads the batches one by one, as they were written: never more than one is held.
    pub(crate) fn one_by_one(&self) -> RunReader {
        RunReader {
            at_once: 1,
            ..self.reader(0)
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

/// Bytes in a file that are read at a time.
const READ_AT_ONCE: usize = 512 << 10;

/// Bytes in a file that are read where one stands: less than what handing them to another thread costs.
const READ_HERE: usize = 64 << 10;

/// Reads a [`Run`], some batches at a time, on a thread that may block.
pub(crate) struct RunReader {
    run: Run,
    next: usize,
    batch_size: usize,
    /// Bytes in a file that are read at a time, more only where one batch has more.
    at_once: usize,
    open: Option<File>,
    ready: VecDeque<RecordBatch>,
}

impl RunReader {
    /// The next batch, `None` after the last.
    ///
    /// # Errors
    /// If the file is gone, or is not what was written.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.ready.pop_front() {
            return Ok(Some(batch));
        }
        let Some(file) = self.run.file.clone() else {
            return Ok(None);
        };
        let groups = self.upcoming();
        let bytes: usize = groups.iter().flatten().map(|place| place.length).sum();
        if bytes == 0 {
            return Ok(None);
        }
        let open = self.open.take();
        let (open, batches) = if bytes <= READ_HERE {
            tokio::task::consume_budget().await;
            file.read_groups(open, &groups)?
        } else {
            SpawnedTask::spawn_blocking(move || file.read_groups(open, &groups))
                .join()
                .await
                .map_err(|error| {
                    exec_datafusion_err!("reading a spill file was stopped: {error}")
                })??
        };
        self.open = Some(open);
        self.ready = batches;
        Ok(self.ready.pop_front())
    }

    /// The places of the next batches: one each, and more as long as they are small.
    fn upcoming(&mut self) -> Vec<Vec<Place>> {
        let mut groups: Vec<Vec<Place>> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        for place in &self.run.places[self.next..] {
            if bytes > 0 && bytes + place.length > self.at_once {
                break;
            }
            match groups.last_mut() {
                Some(group) if rows + place.rows <= self.batch_size => group.push(*place),
                _ => {
                    groups.push(vec![*place]);
                    rows = 0;
                }
            }
            rows += place.rows;
            bytes += place.length;
            self.next += 1;
        }
        groups
    }
}
