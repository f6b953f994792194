//! What a write's mode makes of what is at its target.

use std::io::ErrorKind;
use std::path::Path;

use crate::error::Error;
use crate::source::url;
use crate::write::failed::Failed;
use crate::write::{SaveMode, Target};

/// What is done with the files when all are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    /// They become the target, where nothing is.
    Create,
    /// They become the target, in place of what was there.
    Replace,
    /// They go beside those that are there.
    Add,
    /// Each partition's files take the place of those of the same partition.
    ReplacePartitions,
}

/// What is to be done with files for `target`; none if the mode says that there is nothing to do.
///
/// # Errors
/// [`Error::PathExists`] if there is something and the mode does not allow for it; or if what is there cannot be added
/// to or replaced.
pub(super) fn commit(
    target: &Path,
    kind: Target,
    mode: SaveMode,
    by_partition: bool,
    is_mounted: bool,
) -> Result<Option<Commit>, Error> {
    let exists = target.exists();
    if exists && mode != SaveMode::Ignore && !target.is_file() && !target.is_dir() {
        return Err(Error::NotSupported(format!(
            "{} is neither a file nor a directory, and rows are not written to it: print them, with --output csv > {0}",
            target.display()
        )));
    }
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
        SaveMode::Overwrite if is_mounted && !target.is_dir() => {
            return Err(Error::NotSupported(format!(
                "{} is a mount point, and a complete file cannot take its place: write to another path, or print the rows, with --output csv > {0}",
                target.display()
            )));
        }
        SaveMode::Overwrite if is_mounted && kind == Target::File => {
            return Err(Error::NotSupported(format!(
                "{} is a directory and a mount point, and a file cannot take its place: write to another path",
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
