use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use self::decision::{Commit, commit};
use self::leftovers::{DONE, MOVING, OLD, PREFIX, REPLACED};
use self::moves::{
    Made, Moves, entries, exchange, files, is_mounted, move_if_there, move_to_new, remove,
};
use super::failed::Failed;
use super::{SUCCESS, SaveMode, Target};
use crate::error::Error;
use crate::source::{local_path, url};
use crate::spill::locked;

mod decision;
mod leftovers;
mod moves;

/// How often a directory is made anew that another process removed before it was locked.
const ATTEMPTS: usize = 16;

/// A directory beside the target, in which a write puts its files until all are complete. Then they move
/// to the target at once. If it is dropped before, it is removed, and the target is as it was.
///
/// A process that is killed removes nothing; the next write to the same target does ([`leftovers`]).
pub(super) struct Staging {
    target: PathBuf,
    /// Hidden, on the file system of the target.
    directory: PathBuf,
    /// Whether one file is the target, and how it is called in the directory.
    file: Option<String>,
    commit: Commit,
    /// Says that the directory's owner lives. Dropped after the directory is removed.
    _lock: File,
    /// The directories above the target that were made for it, and are removed if nothing comes into them.
    _parents: Made,
}

impl Staging {
    /// Prepares a write to `path`; none if the mode says that there is nothing to do.
    ///
    /// # Errors
    /// [`Error::PathExists`] if there is something and the mode does not allow for it; or if the
    /// directory cannot be made.
    pub(super) fn begin(
        path: &str,
        kind: Target,
        mode: SaveMode,
        by_partition: bool,
    ) -> Result<Option<Self>, Error> {
        let path = local_path(path)?;
        // A link is followed: what it leads to is replaced and not the link.
        let target = path.canonicalize().unwrap_or(path);
        let cannot = |source| Failed::System(source).about(&target);
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(cannot(ErrorKind::InvalidInput.into()));
        };
        let name = name.to_string_lossy();
        // A mounted directory cannot be moved to: then it is below, where readers do not look either.
        let is_mounted = is_mounted(&target, parent).map_err(cannot)?;
        let commit = || commit(&target, kind, mode, by_partition, is_mounted);
        // Nothing is touched for a write that is refused.
        if commit()?.is_none() {
            return Ok(None);
        }
        leftovers::settle(parent, &name, &target);
        leftovers::settle(&target, &name, &target);
        // What was there may have been moved back.
        let Some(commit) = commit()? else {
            return Ok(None);
        };
        let mut parents = Made::default();
        parents.make(parent).map_err(cannot)?;
        let made = match is_mounted {
            true => make(&target, &name),
            false => make(parent, &name),
        };
        let made = match made {
            // Nobody may put anything beside the directory, which may well be written to.
            Err(error) if is_refused(&error) && kind == Target::Directory && target.is_dir() => {
                make(&target, &name)
            }
            made => made,
        };
        let (directory, lock) = made.map_err(cannot)?;
        Ok(Some(Self {
            file: (kind == Target::File).then(|| name.into_owned()),
            directory,
            commit,
            _lock: lock,
            _parents: parents,
            target,
        }))
    }

    /// Where files are to be written.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where they go when they are complete.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// What the one file is to be called, if there is to be one.
    pub(super) fn file_name(&self) -> Option<String> {
        self.file.clone()
    }

    /// Moves the files to the target.
    ///
    /// # Errors
    /// [`Error::PathExists`] if there is something meanwhile where nothing was to be; or if they cannot be moved. What
    /// was there is then there again.
    pub(super) fn commit(self) -> Result<(), Error> {
        if self.file.is_none() {
            let marked = File::create(self.directory.join(SUCCESS));
            marked.map_err(|source| Failed::System(source).about(&self.target))?;
        }
        let written = match &self.file {
            Some(name) => self.directory.join(name),
            None => self.directory.clone(),
        };
        let moved = match self.commit {
            Commit::Create => move_to_new(&written, &self.target),
            Commit::Replace if self.directory.starts_with(&self.target) => self.replace_entries(),
            Commit::Replace => self.replace(&written),
            Commit::Add => self.add(),
            Commit::ReplacePartitions => self.replace_partitions(),
        };
        moved.map_err(|source| match (source.kind(), self.commit) {
            (ErrorKind::AlreadyExists, Commit::Create) => Error::PathExists(url(&self.target)),
            _ => Failed::System(source).about(&self.target),
        })
    }

    /// Makes what was written the target, whatever was there.
    fn replace(&self, written: &Path) -> io::Result<()> {
        let was_there = match self.file {
            // The name goes from one file to the other at once.
            Some(_) if !self.target.is_dir() => return fs::rename(written, &self.target),
            _ => exchange(written, &self.target)?,
        };
        if was_there {
            remove(written);
            return Ok(());
        }
        let old = leftovers::aside(&self.directory, OLD);
        if !move_if_there(&self.target, &old)? {
            return fs::rename(written, &self.target);
        }
        if let Err(error) = fs::rename(written, &self.target) {
            fs::rename(&old, &self.target)?;
            return Err(error);
        }
        remove(&old);
        Ok(())
    }

    /// Replaces what is in the target one by one, if the target itself cannot be moved.
    fn replace_entries(&self) -> io::Result<()> {
        let is_rows = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            // Other writes have their files there.
            !name.to_string_lossy().starts_with(PREFIX)
        };
        let there = entries(&self.target)?.into_iter().filter(is_rows);
        self.swap(there.collect(), entries(&self.directory)?)
    }

    fn add(&self) -> io::Result<()> {
        if self.is_moved_at_once()? {
            return Ok(());
        }
        let mut moves = Moves::default();
        let outcome = files(&self.directory)?.into_iter().try_for_each(|file| {
            let to = self.place_of(&file);
            moves.make(file, &to)
        });
        if outcome.is_err() {
            moves.undo();
        }
        outcome
    }

    fn replace_partitions(&self) -> io::Result<()> {
        if self.is_moved_at_once()? {
            return Ok(());
        }
        let files = files(&self.directory)?;
        let places = files.iter().map(|file| self.place_of(file));
        let partitions: BTreeSet<PathBuf> = places
            .filter_map(|place| place.parent().map(Path::to_owned))
            .filter(|partition| *partition != self.target && partition.exists())
            .collect();
        self.swap(partitions.into_iter().collect(), files)
    }

    /// Moves all to the target, if nothing is there.
    fn is_moved_at_once(&self) -> io::Result<bool> {
        if self.directory.starts_with(&self.target) {
            return Ok(false);
        }
        match move_to_new(&self.directory, &self.target) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                ErrorKind::AlreadyExists | ErrorKind::CrossesDevices => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Moves some of what is in the target aside, and then what was written in its place. Killed in the first half, it
    /// is undone by the next write; killed in the second, it is brought to its end.
    fn swap(&self, there: Vec<PathBuf>, written: Vec<PathBuf>) -> io::Result<()> {
        let [moving, replaced, done] =
            [MOVING, REPLACED, DONE].map(|what| leftovers::aside(&self.directory, what));
        fs::create_dir(&moving)?;
        let mut out = Moves::default();
        let outcome = there.into_iter().try_for_each(|path| {
            let below = path.strip_prefix(&self.target).unwrap_or(&path);
            let to = moving.join(below);
            out.make(path, &to)
        });
        if let Err(error) = outcome.and_then(|()| fs::rename(&moving, &replaced)) {
            out.undo();
            // What could not be moved back stays in it.
            let _ = fs::remove_dir(&moving);
            return Err(error);
        }
        let mut into = Moves::default();
        let outcome = written.into_iter().try_for_each(|path| {
            let to = self.place_of(&path);
            into.make(path, &to)
        });
        if let Err(error) = outcome {
            into.undo();
            fs::rename(&replaced, &moving)?;
            out.undo();
            let _ = fs::remove_dir(&moving);
            return Err(error);
        }
        fs::rename(&replaced, &done)?;
        remove(&done);
        Ok(())
    }

    /// Where a file of this directory goes.
    fn place_of(&self, file: &Path) -> PathBuf {
        let below = file.strip_prefix(&self.directory).unwrap_or(file);
        self.target.join(below)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

/// Whether there is no right to make something in a directory.
fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// Makes a directory below `root` for what is to become `name`, and locks it.
fn make(root: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    for _ in 0..ATTEMPTS {
        let directory = root.join(format!("{PREFIX}{name}-{}", Uuid::new_v4()));
        fs::create_dir(&directory)?;
        // Until it is locked, another process may take it for one that a dead process left.
        if let Some(lock) = locked(&directory)? {
            return Ok((directory, lock));
        }
    }
    Err(io::Error::other(
        "other processes remove each directory that is made",
    ))
}
