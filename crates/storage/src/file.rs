use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::disk_manager::DiskManager;
use datafusion_execution::{SpillFile, SpillWriter};
use parking_lot::Mutex;

/// Where one block lies in the file of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    offset: u64,
    pub(crate) length: usize,
}

/// Bytes that are written before they are waited for to be on the disk, where that is done.
const IN_FLIGHT: u64 = 1 << 20;

/// The blocks of one partition that are on disk. It is gone when nobody refers to it.
pub(crate) struct BlockFile {
    file: Arc<dyn SpillFile>,
    /// Whether to wait until what is written is on the disk: until then its pages count in a container as memory does,
    /// and cannot be taken back.
    waits: bool,
    end: Mutex<End>,
}

#[derive(Default)]
struct End {
    offset: u64,
    /// Written and not waited for.
    in_flight: u64,
}

impl BlockFile {
    /// # Errors
    /// If no file can be made.
    pub(crate) fn create(disk: &Arc<DiskManager>, waits: bool) -> Result<Self> {
        Ok(Self {
            file: disk.create_tmp_file("a cached table")?,
            waits,
            end: Mutex::default(),
        })
    }

    /// Adds a block. The file is open only while it is written to: there may be many partitions.
    ///
    /// # Errors
    /// If the disk is full, or spill files hold as much as they may.
    pub(crate) fn append(&self, block: &[u8]) -> Result<Place> {
        let mut end = self.end.lock();
        let mut writer: Box<dyn SpillWriter> = self.file.open_writer()?;
        if let Err(error) = writer.write_all(block).and_then(|()| writer.flush()) {
            // What was written in part is passed over by the next one.
            let found = self.file.path().and_then(|path| path.metadata().ok());
            end.offset = found.map_or(end.offset, |found| found.len());
            return Err(self.failed("written", error.into()));
        }
        let place = Place {
            offset: end.offset,
            length: block.len(),
        };
        end.offset += block.len() as u64;
        end.in_flight += block.len() as u64;
        if self.waits && end.in_flight >= IN_FLIGHT {
            end.in_flight = 0;
            self.sync()?;
        }
        Ok(place)
    }

    fn sync(&self) -> Result<()> {
        let Some(path) = self.file.path() else {
            return Ok(());
        };
        File::open(path)
            .and_then(|file| file.sync_data())
            .map_err(|error| self.failed("written", error.into()))
    }

    /// Reads a block as it was added.
    ///
    /// # Errors
    /// If the file was truncated or is gone.
    pub(crate) fn read(&self, place: Place) -> Result<Vec<u8>> {
        let path = self.file.path().ok_or_else(|| {
            exec_datafusion_err!("cached tables go to files of this machine only")
        })?;
        let mut block = vec![0; place.length];
        File::open(path)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(place.offset))?;
                file.read_exact(&mut block)
            })
            .map_err(|error| self.failed("read", error.into()))?;
        Ok(block)
    }

    fn failed(&self, what: &str, error: DataFusionError) -> DataFusionError {
        let path = self.file.path();
        let path = path.map_or_else(String::new, |path| format!(" {}", path.display()));
        error.context(format!(
            "The file{path} of a cached table cannot be {what}. It is in spark.local.dir, which must have room and be left \
             alone while the table is cached; REFRESH TABLE or CLEAR CACHE lets go of it"
        ))
    }
}
