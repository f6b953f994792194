use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;
use tempfile::TempPath;

use super::{Spills, no_room};

/// Bytes that are read from a file at once: as in DataFusion's own files.
const READ_AT_ONCE: usize = 128 << 10;

/// Makes the spill files of one query.
pub(super) struct Factory {
    spills: Arc<Spills>,
    /// `spark.plimsoll.spill.maxSize`, in bytes.
    most: Option<u64>,
}

impl Factory {
    pub(super) fn new(spills: Arc<Spills>, most: Option<u64>) -> Self {
        Self { spills, most }
    }
}

impl TempFileFactory for Factory {
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn SpillFile>> {
        let file = tempfile::Builder::new().tempfile_in(self.spills.in_turn())?;
        Ok(Arc::new(Spilled {
            // Closed until it is written to.
            path: file.into_temp_path(),
            size: Arc::default(),
            most: self.most,
            spills: Arc::clone(&self.spills),
        }))
    }
}

/// A file that is gone when nobody uses it any more.
struct Spilled {
    path: TempPath,
    size: Arc<AtomicU64>,
    most: Option<u64>,
    /// Behind the path, because the file goes before its directory.
    spills: Arc<Spills>,
}

impl Drop for Spilled {
    fn drop(&mut self) {
        let size = self.size.load(Ordering::Relaxed);
        self.spills.used.fetch_sub(size, Ordering::Relaxed);
    }
}

impl SpillFile for Spilled {
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn size(&self) -> Option<u64> {
        Some(self.size.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let file = File::open(&self.path)?;
        Ok(Box::pin(futures::stream::try_unfold(file, next_bytes)))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(Writer {
            file: OpenOptions::new().append(true).open(&self.path)?,
            size: Arc::clone(&self.size),
            most: self.most.unwrap_or_else(|| self.spills.share_of_disks()),
            is_set: self.most.is_some(),
            spills: Arc::clone(&self.spills),
        }))
    }
}

/// Reads on, on a thread that may wait for a disk.
async fn next_bytes(file: File) -> Result<Option<(Bytes, File)>> {
    let read = move || {
        let mut buffer = Vec::with_capacity(READ_AT_ONCE);
        (&file).take(READ_AT_ONCE as u64).read_to_end(&mut buffer)?;
        Ok::<_, io::Error>((buffer, file))
    };
    let (buffer, file) = tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| DataFusionError::External(Box::new(error)))??;
    Ok((!buffer.is_empty()).then(|| (Bytes::from(buffer), file)))
}

/// Writes to a file as long as all files together stay within their bound.
struct Writer {
    file: File,
    size: Arc<AtomicU64>,
    most: u64,
    is_set: bool,
    spills: Arc<Spills>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        let before = self.spills.used.fetch_add(length, Ordering::Relaxed);
        let written = match before.saturating_add(length) > self.most {
            true => Err(io::Error::other(no_room(
                &self.spills,
                self.most,
                self.is_set,
            ))),
            false => self.file.write_all(bytes),
        };
        if let Err(error) = written {
            self.spills.used.fetch_sub(length, Ordering::Relaxed);
            return Err(error);
        }
        self.size.fetch_add(length, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
