//! Where queries write what does not fit in memory: files in a directory of this process below each
//! directory of `spark.local.dir`.
//!
//! * [`directory`]: a directory that is this process's for as long as it lives, known by a lock and not by
//!   a process id, so that what a killed process left behind can be removed by the next one.
//! * [`file`]: the files, which DataFusion's operators write and read through its `TempFileFactory`.
//!   DataFusion's own disk manager picks a directory at random for each file and keeps each file open;
//!   these go to the directories in turn, and are open only while they are written or read, so that the
//!   number of runs of a sort is not bounded by `ulimit -n`.
//! * [`disk`]: what kind of file system a directory is on, and how much is free there.

mod directory;
mod disk;
mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use datafusion::execution::disk_manager::DiskManagerBuilder;
use plimsoll_conf::fmt_bytes;
use plimsoll_memory::Pressure;
use tracing::{debug, warn};

use self::directory::OwnedDirectory;
pub(crate) use self::directory::{locked, open as open_directory};
use self::disk::Disk;
use self::file::Factory;
use crate::error::Error;

/// The words that an error begins with when there is no room for a spill.
pub(crate) const NO_ROOM: &str = "no space left to spill to";

/// Words of such an error where it is a setting that leaves none.
pub(crate) const NOT_ALLOWED: &str = "spark.plimsoll.spill.maxSize allows";

/// What a disk has to have free, in bytes, for a new file to go there while another disk has it.
const NEARLY_FULL: u64 = 64 << 20;

/// A directory of this process in each of `spark.local.dir`'s, for what does not fit in memory.
/// They are removed with all that is in them when this, and the last file in them, is dropped.
#[derive(Clone)]
pub(crate) struct SpillDirectories(Arc<Spills>);

struct Spills {
    directories: Vec<OwnedDirectory>,
    /// The one that the next file goes to.
    next: AtomicUsize,
    /// Bytes in all files.
    used: AtomicU64,
}

impl SpillDirectories {
    /// Makes the directories, and removes those that dead processes have left beside them. As in Spark
    /// one that cannot be made is passed over with a warning, as long as another can.
    ///
    /// # Errors
    /// If none can be made.
    pub(crate) fn create(parents: &[PathBuf]) -> Result<Self, Error> {
        let mut directories = Vec::new();
        let mut refused = Vec::new();
        for parent in parents {
            match OwnedDirectory::create(parent) {
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
        let spills = Spills {
            directories,
            next: AtomicUsize::new(0),
            used: AtomicU64::new(0),
        };
        spills.warn_of_memory();
        Ok(Self(Arc::new(spills)))
    }

    /// A disk manager for one query, over these directories. `most` bounds what all queries may have
    /// spilled together, in bytes; without it, it is nine tenths of what would be free without them.
    pub(crate) fn disk_manager(&self, most: Option<u64>) -> DiskManagerBuilder {
        let factory = Factory::new(Arc::clone(&self.0), most);
        DiskManagerBuilder::default().with_temp_file_factory(Arc::new(factory))
    }

    /// Lets large allocations that do not fit under the line be put on disk here.
    pub(crate) fn take_overflow_of(&self, pressure: &Pressure) {
        let on_disk = |path: &&Path| Disk::of(path).is_ok_and(|disk| !disk.in_memory);
        for path in self.0.paths().filter(on_disk) {
            match pressure.overflow_into(path) {
                Ok(()) => return,
                // They wait for memory instead.
                Err(error) => debug!("no memory can be mapped from {}: {error}", path.display()),
            }
        }
    }

    /// Removes what is in them, and them.
    pub(crate) fn remove(&self) {
        for path in self.0.paths() {
            // A file that appears meanwhile is left to the next attempt, when this is dropped.
            let _ = std::fs::remove_dir_all(path);
        }
    }

    /// The directories of `spark.local.dir` that are spilled to, for a message.
    pub(crate) fn describe(&self) -> String {
        self.0.describe()
    }

    /// One of them, for files that are not spills and are to be gone like them.
    pub(crate) fn first(&self) -> &Path {
        self.0.directories[0].path()
    }
}

impl Spills {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.directories.iter().map(OwnedDirectory::path)
    }

    /// The directories of `spark.local.dir` that they are in.
    fn describe(&self) -> String {
        let parents = self.directories.iter().map(OwnedDirectory::parent);
        let parents: Vec<String> = parents.map(|path| path.display().to_string()).collect();
        parents.join(", ")
    }

    /// The directory whose turn it is. One on a disk that is nearly full is passed over as long as
    /// another is not.
    fn in_turn(&self) -> &Path {
        let count = self.directories.len();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let from_there = (0..count).map(|after| self.directories[(turn + after) % count].path());
        let has_room =
            |path: &&Path| count == 1 || Disk::of(path).is_ok_and(|disk| disk.free >= NEARLY_FULL);
        from_there
            .clone()
            .find(has_room)
            .unwrap_or_else(|| self.directories[turn % count].path())
    }

    /// What files may take together if nothing bounds them: nine tenths of what would be free without
    /// them, each disk counted once. What other programs write meanwhile counts.
    fn share_of_disks(&self) -> u64 {
        let mut disks: Vec<Disk> = self
            .paths()
            .filter_map(|path| Disk::of(path).ok())
            .collect();
        disks.sort_by_key(|disk| disk.device);
        disks.dedup_by_key(|disk| disk.device);
        let free: u64 = disks.iter().map(|disk| disk.free).sum();
        (free.saturating_add(self.used.load(Ordering::Relaxed)) / 10).saturating_mul(9)
    }

    fn warn_of_memory(&self) {
        for directory in &self.directories {
            if Disk::of(directory.path()).is_ok_and(|disk| disk.in_memory) {
                warn!(
                    "{} is a file system in memory: what is spilled there stays in memory, counts against the \
                     container's limit, and cannot be taken back; name a directory on a disk with spark.local.dir",
                    directory.parent().display()
                );
            }
        }
    }
}

/// What is said when a file would take more than all may take together.
fn no_room(spills: &Spills, most: u64, is_set: bool) -> String {
    let most = fmt_bytes(most);
    match is_set {
        true => format!(
            "{NO_ROOM}: {NOT_ALLOWED} {most} for the spill files of all queries together. \
             Raise it, or give the engine more memory so that less is spilled"
        ),
        false => format!(
            "{NO_ROOM} in {}: the spill files of all queries may take {most} together, nine tenths of what \
             would be free without them. Free some, name a larger disk with spark.local.dir, or set \
             spark.plimsoll.spill.maxSize to what they may take",
            spills.describe()
        ),
    }
}

#[cfg(test)]
mod tests;
