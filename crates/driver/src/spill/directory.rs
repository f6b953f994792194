use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;
use tracing::{debug, info};

/// What the names of such directories begin with. A process id, for people, and a random part follow.
const PREFIX: &str = "plimsoll-spill-";

/// How often a directory is made anew that another process removed before it was locked.
const ATTEMPTS: usize = 16;

/// A directory that belongs to this process while it lives. It is removed with all that is in it when
/// this is dropped.
///
/// A process that is killed removes nothing, so the next one does: a lock on the directory tells whether
/// its owner lives. The kernel holds the lock for as long as the owner has the directory open, whatever
/// becomes of it. Unlike a process id it means the same in all containers of a machine, and is never
/// taken over by a stranger.
pub(super) struct OwnedDirectory {
    parent: PathBuf,
    directory: TempDir,
    /// Locked, where the file system has locks. Dropped after the directory is removed.
    _lock: File,
}

impl OwnedDirectory {
    /// Makes a directory in `parent`, which is made too if need be, and removes what dead processes have
    /// left there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let prefix = format!("{PREFIX}{}-", std::process::id());
        for _ in 0..ATTEMPTS {
            let directory = tempfile::Builder::new()
                .prefix(&prefix)
                .tempdir_in(parent)?;
            // Until it is locked, another process may take it for one that a dead process left.
            let Some(lock) = locked(directory.path())? else {
                continue;
            };
            let owned = Self {
                parent: parent.to_owned(),
                directory,
                _lock: lock,
            };
            owned.sweep();
            return Ok(owned);
        }
        Err(io::Error::other(
            "other processes remove each directory that is made",
        ))
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of `spark.local.dir` that it is in.
    pub(super) fn parent(&self) -> &Path {
        &self.parent
    }

    /// Removes the directories beside this one whose owners are dead. What cannot be removed stays.
    fn sweep(&self) {
        let (Ok(own), Ok(entries)) = (fs::metadata(self.path()), fs::read_dir(&self.parent)) else {
            return;
        };
        for entry in entries.flatten() {
            let is_ours = entry.file_name().to_str().is_some_and(is_name)
                // Of the entry itself: a symbolic link is none of ours.
                && entry
                    .metadata()
                    .is_ok_and(|found| found.is_dir() && found.uid() == own.uid());
            if !is_ours {
                continue;
            }
            let path = entry.path();
            match open(&path).map(|file| (file.try_lock(), file)) {
                // The lock is held until the directory is gone.
                Ok((Ok(()), _lock)) => match fs::remove_dir_all(&path) {
                    Ok(()) => info!("removed {}, which a dead process left", path.display()),
                    Err(error) => debug!("cannot remove {}: {error}", path.display()),
                },
                Ok((Err(TryLockError::WouldBlock), _)) | Err(_) => {}
                Ok((Err(TryLockError::Error(error)), _)) => {
                    debug!("cannot tell whether {} is in use: {error}", path.display());
                }
            }
        }
    }
}

/// The directory, open and locked; none if another process has taken it. Where there are no locks
/// nobody can take it for a dead one's either, and it goes without.
pub(crate) fn locked(path: &Path) -> io::Result<Option<File>> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            debug!("no lock on {}: {error}", path.display());
            Ok(Some(file))
        }
        // It may have been removed before it was locked.
        Ok(()) => match fs::metadata(path) {
            Ok(found) if found.ino() == file.metadata()?.ino() => Ok(Some(file)),
            _ => Ok(None),
        },
    }
}

/// Opens a directory, and nothing else.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Whether a directory of that name may be one of these.
fn is_name(name: &str) -> bool {
    let id = |rest: &str| -> Option<bool> {
        let (process, random) = rest.split_once('-')?;
        let digits = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
        let letters = random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Some(digits && !random.is_empty() && letters)
    };
    name.strip_prefix(PREFIX).and_then(id).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in a directory, in order.
    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_dead_processes_left_is_removed_and_nothing_else_is() {
        let parent = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("kept"), "").unwrap();
        let alive = OwnedDirectory::create(parent.path()).unwrap();
        fs::write(alive.path().join("file"), "").unwrap();
        for directory in [
            "plimsoll-spill-7-Ab1x/nested",
            "plimsoll-spill-x-Ab1x",
            "mine",
        ] {
            fs::create_dir_all(parent.path().join(directory)).unwrap();
        }
        fs::write(parent.path().join("plimsoll-spill-7-Ab1x/file"), "").unwrap();
        fs::write(parent.path().join("plimsoll-spill-8-file"), "").unwrap();
        let link = parent.path().join("plimsoll-spill-9-link");
        std::os::unix::fs::symlink(elsewhere.path(), link).unwrap();

        let next = OwnedDirectory::create(parent.path()).unwrap();
        let name = |owned: &OwnedDirectory| {
            let name = owned.path().file_name().unwrap();
            name.to_str().unwrap().to_owned()
        };
        let mut expected = vec![
            "mine".to_owned(),
            "plimsoll-spill-8-file".to_owned(),
            "plimsoll-spill-9-link".to_owned(),
            "plimsoll-spill-x-Ab1x".to_owned(),
            name(&alive),
            name(&next),
        ];
        expected.sort();
        assert_eq!(names(parent.path()), expected);
        assert_eq!(names(alive.path()), ["file"]);
        assert_eq!(names(elsewhere.path()), ["kept"]);
    }

    #[test]
    fn processes_that_start_together_do_not_take_each_others_directories() {
        let parent = tempfile::tempdir().unwrap();
        let start = || OwnedDirectory::create(parent.path()).unwrap();
        let owned: Vec<OwnedDirectory> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..32).map(|_| scope.spawn(start)).collect();
            let started = starting.into_iter();
            started.map(|thread| thread.join().unwrap()).collect()
        });
        assert!(owned.iter().all(|owned| owned.path().is_dir()));
        assert_eq!(names(parent.path()).len(), 32);
        drop(owned);
        assert_eq!(names(parent.path()).len(), 0);
    }
}
