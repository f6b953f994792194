use std::path::{Path, PathBuf};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use plimsoll_memory::Pressure;
use tempfile::TempDir;
use tracing::{debug, warn};

use crate::error::Error;

/// A directory of this process in each of `spark.local.dir`'s, for what does not fit in memory.
/// They are removed with all that is in them when this is dropped.
pub(crate) struct SpillDirectories {
    directories: Vec<TempDir>,
}

impl SpillDirectories {
    /// Makes the directories. As in Spark one that cannot be made is passed over with a warning,
    /// as long as another can.
    ///
    /// # Errors
    /// If none can be made.
    pub(crate) fn create(parents: &[PathBuf]) -> Result<Self, Error> {
        let mut directories = Vec::new();
        let mut refused = Vec::new();
        for parent in parents {
            match create_in(parent) {
                Ok(directory) => directories.push(directory),
                Err(error) => refused.push(format!("{}: {error}", parent.display())),
            }
        }
        if directories.is_empty() {
            return Err(Error::Spill(format!(
                "no directory to spill to ({}): set spark.local.dir to one that exists, is writable and has room",
                refused.join("; ")
            )));
        }
        for reason in refused {
            warn!("not spilling to {reason} (spark.local.dir)");
        }
        Ok(Self { directories })
    }

    /// A disk manager of its own for one query, over these directories.
    pub(crate) fn disk_manager(&self) -> DiskManagerBuilder {
        let paths = self.paths().map(Path::to_path_buf).collect();
        DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(paths))
            // The disk itself is the bound: a query is not to fail while there is room.
            .with_max_temp_directory_size(u64::MAX)
    }

    /// Lets large allocations that do not fit under the line be put on disk here.
    pub(crate) fn take_overflow_of(&self, pressure: &Pressure) {
        for path in self.paths() {
            match pressure.overflow_into(path) {
                Ok(()) => return,
                // They wait for memory instead.
                Err(error) => debug!("no memory can be mapped from {}: {error}", path.display()),
            }
        }
    }

    /// Removes what is in them, and them.
    pub(crate) fn remove(&self) {
        for path in self.paths() {
            // A file that appears meanwhile is left to the next attempt, when this is dropped.
            let _ = std::fs::remove_dir_all(path);
        }
    }

    /// The directories for a message.
    pub(crate) fn describe(&self) -> String {
        let paths: Vec<String> = self
            .paths()
            .map(|path| path.display().to_string())
            .collect();
        paths.join(", ")
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.directories.iter().map(TempDir::path)
    }
}

fn create_in(parent: &Path) -> std::io::Result<TempDir> {
    std::fs::create_dir_all(parent)?;
    let name = format!("plimsoll-{}-", std::process::id());
    tempfile::Builder::new().prefix(&name).tempdir_in(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_good_directory_is_enough_and_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let good = parent.path().join("new/nested");
        let spill = SpillDirectories::create(&[file.join("under"), good.clone()]).unwrap();
        assert_eq!(std::fs::read_dir(&good).unwrap().count(), 1);
        drop(spill);
        assert_eq!(std::fs::read_dir(&good).unwrap().count(), 0);
    }

    #[test]
    fn without_a_directory_the_error_names_the_setting() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = SpillDirectories::create(&[file.path().to_path_buf()])
            .err()
            .unwrap();
        assert!(error.to_string().contains("spark.local.dir"), "{error}");
    }
}
