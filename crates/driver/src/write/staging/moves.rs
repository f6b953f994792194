//! What moving and removing files takes, so that a commit is undone or done.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, RenameFlags, StatxFlags, renameat_with, statx};
use rustix::io::Errno;
use tracing::warn;

use crate::write::SUCCESS;

/// Directories that were made anew. Those that nothing came into are removed when this is dropped.
#[derive(Default)]
pub(super) struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a directory, and those above it that are missing.
    pub(super) fn make(&mut self, directory: &Path) -> io::Result<()> {
        let above = directory.ancestors();
        let missing: Vec<&Path> = above.take_while(|above| !above.exists()).collect();
        for directory in missing.into_iter().rev() {
            match fs::create_dir(directory) {
                // Another process was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
                Err(error) => return Err(error),
                Ok(()) => self.0.push(directory.to_owned()),
            }
        }
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for made in self.0.drain(..).rev() {
            // It fails if there is something in it, and so it should.
            let _ = fs::remove_dir(made);
        }
    }
}

/// Moves that can be undone.
#[derive(Default)]
pub(super) struct Moves {
    moved: Vec<(PathBuf, PathBuf)>,
    made: Made,
}

impl Moves {
    /// Moves something to where nothing is, and makes the directories for it.
    pub(super) fn make(&mut self, from: PathBuf, to: &Path) -> io::Result<()> {
        // The mark of success is written by every write.
        if to.exists() && to.file_name() != Some(SUCCESS.as_ref()) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.made.make(to.parent().unwrap_or(to))?;
        fs::rename(&from, to)?;
        self.moved.push((from, to.to_owned()));
        Ok(())
    }

    pub(super) fn undo(mut self) {
        for (from, to) in self.moved.drain(..).rev() {
            if let Err(error) = fs::rename(&to, &from) {
                warn!(
                    "cannot move {} back to {}: {error}",
                    to.display(),
                    from.display()
                );
            }
        }
    }
}

pub(super) fn in_directory(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path.file_name().unwrap_or_default())
}

/// Whether something is mounted at a path, so that nothing can take its place. A directory of the same file system can
/// be mounted too.
pub(super) fn is_mounted(path: &Path, parent: &Path) -> io::Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    match (mount_id(path), mount_id(parent)) {
        (Some(one), Some(other)) => Ok(one != other),
        _ => Ok(fs::metadata(path)?.dev() != fs::metadata(parent)?.dev()),
    }
}

/// Which mount a path is on, where the system tells.
fn mount_id(path: &Path) -> Option<u64> {
    let told = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    let is_told = told.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    is_told.then_some(told.stx_mnt_id)
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
