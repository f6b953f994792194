//! What moving and removing files takes, so that a commit is undone or done.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tracing::warn;

use crate::write::SUCCESS;

/// Moves that can be undone.
#[derive(Default)]
pub(super) struct Moves {
    moved: Vec<(PathBuf, PathBuf)>,
    /// Directories that were made anew.
    pub(super) made: Vec<PathBuf>,
}

impl Moves {
    pub(super) fn make(&mut self, from: PathBuf, to: &Path) -> io::Result<()> {
        // The mark of success is written by every write.
        if to.exists() && to.file_name() != Some(SUCCESS.as_ref()) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        fs::rename(&from, to)?;
        self.moved.push((from, to.to_owned()));
        Ok(())
    }

    pub(super) fn has_made(&self, directory: &Path) -> bool {
        self.made.iter().any(|made| made == directory)
    }

    pub(super) fn undo(&mut self) {
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

pub(super) fn in_directory(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path.file_name().unwrap_or_default())
}

pub(super) fn is_mounted(directory: &Path, parent: &Path) -> io::Result<bool> {
    Ok(directory.is_dir() && fs::metadata(directory)?.dev() != fs::metadata(parent)?.dev())
}

pub(super) fn move_if_there(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?;
    let mut entries = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    // Marks of success come last.
    entries.sort_by_key(|path| (path.file_name() == Some(SUCCESS.as_ref()), path.clone()));
    Ok(entries)
}

/// All files below a directory.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
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
pub(super) fn remove(path: &Path) {
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

/// Moves something to where nothing is, at once.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if something is there.
pub(super) fn move_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // This file system has no such call.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match to.symlink_metadata() {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        moved => Ok(moved?),
    }
}

/// Puts each of two in the place of the other at once, so that at no time there is nothing at either; false if this
/// file system cannot, or there is nothing at the second.
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
