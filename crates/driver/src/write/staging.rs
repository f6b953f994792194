use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracing::warn;
use uuid::Uuid;

use crate::error::Error;
use crate::source::{local_path, url};

use super::SaveMode;

/// What is done with the files when all are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    /// They become the directory, in place of what was there.
    Replace,
    /// They go beside those that are there.
    Add,
    /// Each partition's files take the place of those of the same partition.
    ReplacePartitions,
}

/// A directory beside the target, in which a write puts its files until all are complete. Then they move
/// to the target at once. If it is dropped before, it is removed, and the target is as it was.
pub(super) struct Staging {
    target: PathBuf,
    /// Hidden, on the file system of the target.
    directory: PathBuf,
    commit: Commit,
}

impl Staging {
    /// Prepares a write to `path`; none if the mode says that there is nothing to do.
    ///
    /// # Errors
    /// [`Error::PathExists`] if there is something and the mode does not allow for it; or if the
    /// directory cannot be made.
    pub(super) fn begin(
        path: &str,
        mode: SaveMode,
        by_partition: bool,
    ) -> Result<Option<Self>, Error> {
        let path = local_path(path)?;
        let exists = path.exists();
        match mode {
            SaveMode::ErrorIfExists if exists => return Err(Error::PathExists(url(&path))),
            SaveMode::Ignore if exists => return Ok(None),
            _ => {}
        }
        let commit = match mode {
            SaveMode::Append => Commit::Add,
            SaveMode::Overwrite if by_partition => Commit::ReplacePartitions,
            _ => Commit::Replace,
        };
        // A link is followed: what it leads to is replaced and not the link.
        let target = path.canonicalize().unwrap_or(path);
        let cannot = |source| Error::System {
            what: format!("cannot write to {}", target.display()),
            source,
        };
        if commit != Commit::Replace && exists && !target.is_dir() {
            return Err(cannot(ErrorKind::NotADirectory.into()));
        }
        let parent = target
            .parent()
            .ok_or_else(|| cannot(ErrorKind::InvalidInput.into()))?;
        fs::create_dir_all(parent).map_err(cannot)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // A mounted directory cannot be moved to: then it is below, where readers do not look either.
        let root = match exists && is_mounted(&target, parent).map_err(cannot)? {
            true => target.as_path(),
            false => parent,
        };
        let directory = root.join(format!("._temporary-{name}-{}", Uuid::new_v4()));
        fs::create_dir(&directory).map_err(cannot)?;
        Ok(Some(Self {
            target,
            directory,
            commit,
        }))
    }

    /// Where files are to be written.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Moves the files to the target.
    ///
    /// # Errors
    /// If they cannot be moved. What was there is then there again.
    pub(super) fn commit(self) -> Result<(), Error> {
        let moved = match self.commit {
            Commit::Replace if self.directory.starts_with(&self.target) => self.replace_entries(),
            Commit::Replace => self.replace(),
            Commit::Add => self.add(),
            Commit::ReplacePartitions => self.replace_partitions(),
        };
        moved.map_err(|source| Error::System {
            what: format!("cannot move what was written to {}", self.target.display()),
            source,
        })
    }

    fn replace(&self) -> io::Result<()> {
        let old = self.aside("old");
        if !move_if_there(&self.target, &old)? {
            return fs::rename(&self.directory, &self.target);
        }
        if let Err(error) = fs::rename(&self.directory, &self.target) {
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

/// Moves that can be undone.
#[derive(Default)]
struct Moves {
    moved: Vec<(PathBuf, PathBuf)>,
    /// Directories that were made anew.
    made: Vec<PathBuf>,
}

impl Moves {
    fn make(&mut self, from: PathBuf, to: &Path) -> io::Result<()> {
        // The mark of success is written by every write.
        if to.exists() && to.file_name() != Some(super::SUCCESS.as_ref()) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        fs::rename(&from, to)?;
        self.moved.push((from, to.to_owned()));
        Ok(())
    }

    fn has_made(&self, directory: &Path) -> bool {
        self.made.iter().any(|made| made == directory)
    }

    fn undo(&mut self) {
        for (from, to) in self.moved.drain(..).rev() {
            for made in self.made.extract_if(.., |made| *made == from) {
                // It is empty again by now.
                let _ = fs::remove_dir(made);
            }
            if let Err(error) = fs::rename(&to, &from) {
                warn!(
                    "cannot move {} back to {}: {error}",
                    to.display(),
                    from.display()
                );
            }
        }
        for made in self.made.drain(..) {
            let _ = fs::remove_dir(made);
        }
    }
}

fn in_directory(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path.file_name().unwrap_or_default())
}

fn is_mounted(directory: &Path, parent: &Path) -> io::Result<bool> {
    Ok(directory.is_dir() && fs::metadata(directory)?.dev() != fs::metadata(parent)?.dev())
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?;
    let mut entries = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    // Marks of success come last.
    entries.sort_by_key(|path| {
        (
            path.file_name() == Some(super::SUCCESS.as_ref()),
            path.clone(),
        )
    });
    Ok(entries)
}

/// All files below a directory.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(directory)? {
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

/// Removes a file or directory that nobody needs any more.
fn remove(path: &Path) {
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            warn!("cannot remove {}: {error}", path.display());
        }
        _ => {}
    }
}
