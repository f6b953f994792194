use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use self::leftovers::PREFIX;
use self::moves::{
    Moves, entries, exchange, files, in_directory, is_mounted, move_if_there, move_to_new, remove,
};
use super::failed::Failed;
use super::{SUCCESS, SaveMode, Target};
use crate::error::Error;
use crate::source::{local_path, url};
use crate::spill::locked;

mod leftovers;
mod moves;

/// How often a directory is made anew that another process removed before it was locked.
const ATTEMPTS: usize = 16;

/// What is done with the files when all are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    /// They become the target, where nothing is.
    Create,
    /// They become the target, in place of what was there.
    Replace,
    /// They go beside those that are there.
    Add,
    /// Each partition's files take the place of those of the same partition.
    ReplacePartitions,
}

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
        let is_mounted =
            kind == Target::Directory && is_mounted(&target, parent).map_err(cannot)?;
        let root = if is_mounted { &target } else { parent };
        // Before anything else: what was there may be moved back.
        leftovers::remove(root, &name, &target);
        let Some(commit) = commit(&target, kind, mode, by_partition)? else {
            return Ok(None);
        };
        fs::create_dir_all(parent).map_err(cannot)?;
        let (directory, lock) = make(root, &name).map_err(cannot)?;
        Ok(Some(Self {
            file: (kind == Target::File).then(|| name.into_owned()),
            directory,
            commit,
            _lock: lock,
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
        let old = self.aside("old");
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
        let mut moves = Moves::default();
        let old = self.aside("old");
        fs::create_dir(&old)?;
        let outcome = entries(&self.target)?
            .into_iter()
            .filter(|path| *path != self.directory && *path != old)
            .try_for_each(|path| moves.make(path.clone(), &in_directory(&old, &path)))
            .and_then(|()| {
                entries(&self.directory)?.into_iter().try_for_each(|path| {
                    moves.make(path.clone(), &in_directory(&self.target, &path))
                })
            });
        if outcome.is_err() {
            moves.undo();
        }
        remove(&old);
        outcome
    }

    fn add(&self) -> io::Result<()> {
        // All at once, if there is nothing to add to.
        match move_to_new(&self.directory, &self.target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            moved => return moved,
        }
        let mut moves = Moves::default();
        let outcome = files(&self.directory)?.into_iter().try_for_each(|file| {
            let to = self.place_of(&file);
            fs::create_dir_all(to.parent().unwrap_or(&to))?;
            moves.make(file, &to)
        });
        if outcome.is_err() {
            moves.undo();
        }
        outcome
    }

    fn replace_partitions(&self) -> io::Result<()> {
        let old = self.aside("old");
        let mut moves = Moves::default();
        let outcome = files(&self.directory)?.into_iter().try_for_each(|file| {
            let to = self.place_of(&file);
            let partition = to.parent().unwrap_or(&to).to_owned();
            if partition != self.target && !moves.has_made(&partition) {
                let aside = old.join(Uuid::new_v4().to_string());
                if partition.exists() {
                    fs::create_dir_all(&old)?;
                    moves.make(partition.clone(), &aside)?;
                }
                fs::create_dir_all(&partition)?;
                moves.made.push(partition);
            }
            moves.make(file, &to)
        });
        if outcome.is_err() {
            moves.undo();
        }
        remove(&old);
        outcome
    }

    /// Where a file of this directory goes.
    fn place_of(&self, file: &Path) -> PathBuf {
        let below = file.strip_prefix(&self.directory).unwrap_or(file);
        self.target.join(below)
    }

    fn aside(&self, what: &str) -> PathBuf {
        let mut name = self.directory.clone().into_os_string();
        name.push(format!(".{what}"));
        name.into()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

/// What is to be done with files for `target`; none if the mode says that there is nothing to do.
fn commit(
    target: &Path,
    kind: Target,
    mode: SaveMode,
    by_partition: bool,
) -> Result<Option<Commit>, Error> {
    let exists = target.exists();
    let commit = match mode {
        SaveMode::ErrorIfExists if exists => return Err(Error::PathExists(url(target))),
        SaveMode::Ignore if exists => return Ok(None),
        SaveMode::ErrorIfExists | SaveMode::Ignore => Commit::Create,
        SaveMode::Append if kind == Target::File => {
            return Err(Error::NotSupported(format!(
                "rows cannot be appended to the one file {}: append to a directory, whose name has no ending",
                target.display()
            )));
        }
        SaveMode::Append => Commit::Add,
        SaveMode::Overwrite if by_partition => Commit::ReplacePartitions,
        SaveMode::Overwrite => Commit::Replace,
    };
    let adds = matches!(commit, Commit::Add | Commit::ReplacePartitions);
    match adds && exists && !target.is_dir() {
        true => Err(Failed::System(ErrorKind::NotADirectory.into()).about(target)),
        false => Ok(Some(commit)),
    }
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
