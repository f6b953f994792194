use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::spill_file::{SpillFile, SpillWriter};

/// The blocks of a result that had no room in memory, one behind the other in a spill file of the session. It is gone when this
/// is.
pub(super) struct ResultFile {
    file: Arc<dyn SpillFile>,
    writer: Option<Box<dyn SpillWriter>>,
    bytes: u64,
}

/// Where a block lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    offset: u64,
    length: usize,
}

impl ResultFile {
    /// # Errors
    /// If no file can be made.
    pub(super) fn create(disk: DiskManagerBuilder) -> Result<Self> {
        let file = Arc::new(disk.build()?).create_tmp_file("a collected result")?;
        Ok(Self {
            writer: Some(file.open_writer()?),
            file,
            bytes: 0,
        })
    }

    /// # Errors
    /// If the disk is full, or spill files hold as much as they may.
    pub(super) fn append(&mut self, block: &[u8]) -> Result<Place> {
        let writer = self
            .writer
            .as_mut()
            .ok_or_else(|| exec_datafusion_err!("this result is complete"))?;
        writer.write_all(block)?;
        let place = Place {
            offset: self.bytes,
            length: block.len(),
        };
        self.bytes += block.len() as u64;
        Ok(place)
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// If what was written last cannot be.
    pub(super) fn close(&mut self) -> Result<()> {
        match self.writer.take() {
            Some(mut writer) => Ok(writer.flush()?),
            None => Ok(()),
        }
    }

    /// Bytes in it.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// # Errors
    /// If the file was truncated or is gone.
    pub(super) fn read(&self, place: Place) -> Result<Vec<u8>> {
        let path = self
            .file
            .path()
            .ok_or_else(|| exec_datafusion_err!("results go to files of this machine only"))?;
        let mut block = vec![0; place.length];
        File::open(path)
            .and_then(|file| file.read_exact_at(&mut block, place.offset))
            .map_err(|error| {
                DataFusionError::from(error).context(format!(
                    "a part of a collected result cannot be read from {}, which is to be left alone while it is used",
                    path.display()
                ))
            })?;
        Ok(block)
    }
}
