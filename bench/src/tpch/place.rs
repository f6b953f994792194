//! The directory that data goes to: written under another name, renamed when complete, one process at a time.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Error, Result, bail};

use super::{Scale, Table, manifest};
use crate::size;

/// Bytes of Parquet per unit of scale, a little rounded up.
const BYTES_PER_SCALE: f64 = 350e6;

/// A directory under a provisional name. Dropped without [`publish`](Partial::publish), it removes itself.
pub(super) struct Partial {
    path: PathBuf,
}

impl Partial {
    /// Creates the provisional directory of `dir` beside it, where a rename is atomic.
    pub(super) fn create(dir: &Path) -> Result<Self> {
        let path = beside(dir, &format!("{}{}", PARTIAL, process::id()))?;
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory its real name, `dir`, which does not exist or is empty.
    pub(super) fn publish(self, dir: &Path) -> Result<()> {
        fs::rename(&self.path, dir)
            .with_context(|| format!("cannot rename {} to {}", self.path.display(), dir.display()))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After `publish` there is nothing here any more. What cannot be removed now, the next run removes.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// How a user of either binary names a directory.
const OTHER_DIRECTORY: &str = "tpch-data --out DIR, demo --data DIR";

const PARTIAL: &str = ".partial-";

/// Waits until no other process is making `dir`, and keeps others out for as long as the returned file is open.
///
/// The kernel gives the lock back when its process dies, however it dies.
pub(super) fn lock(dir: &Path) -> Result<File> {
    let parent = parent(dir)?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let mut name = OsString::from(".");
    name.push(name_of(dir)?);
    name.push(".lock");
    let path = parent.join(name);
    let cannot = || format!("cannot lock {}", path.display());
    let file = File::create(&path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
    }
    eprintln!(
        "another process is making TPC-H data in {}: waiting for it",
        dir.display()
    );
    file.lock().with_context(cannot)?;
    Ok(file)
}

/// Removes the provisional directories of `dir` that processes left behind which did not live to rename them.
///
/// Call it under the [`lock`]: a process that is alive and writing one would hold it.
pub(super) fn remove_leftovers(dir: &Path) -> Result<()> {
    let parent = parent(dir)?;
    let mut prefix = name_of(dir)?.to_os_string();
    prefix.push(PARTIAL);
    let prefix = prefix.to_string_lossy().into_owned();
    for entry in
        fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))?
    {
        let entry = entry.with_context(|| format!("cannot list {}", parent.display()))?;
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        if pid.is_some_and(|pid| pid.parse::<u32>().is_ok()) {
            let path = entry.path();
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Refuses a directory that holds anything but our tables and manifest: it is about to be removed.
pub(super) fn refuse_foreign(dir: &Path) -> Result<()> {
    let ours =
        |name: &str| name == manifest::NAME || Table::ALL.iter().any(|table| table.name() == name);
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let name = entry
            .with_context(|| format!("cannot list {}", dir.display()))?
            .file_name();
        let name = name.to_string_lossy();
        if !ours(&name) {
            bail!(
                "{} holds '{name}', which is not TPC-H data: choose another directory ({OTHER_DIRECTORY}), or \
                 remove it yourself",
                dir.display()
            );
        }
    }
    Ok(())
}

/// Adds to an error what the user can do about it.
pub(super) fn explain(error: Error, dir: &Path, scale: Scale) -> Error {
    let kind = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    let advice = match kind {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            let needed = size::human((BYTES_PER_SCALE * scale.factor()) as u64);
            format!(
                "the disk is full: TPC-H data at scale {scale} needs about {needed}; free some, choose a smaller --scale, \
                 or a directory on another disk ({OTHER_DIRECTORY})"
            )
        }
        Some(
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            // A file in the place of a directory above.
            | ErrorKind::AlreadyExists,
        ) => format!(
            "{} cannot be written: give this user the right to write there, or choose another directory \
             ({OTHER_DIRECTORY})",
            dir.display()
        ),
        _ => format!("cannot make TPC-H data in {}", dir.display()),
    };
    error.context(advice)
}

/// A path beside `dir`, its name that of `dir` with `suffix`.
fn beside(dir: &Path, suffix: &str) -> Result<PathBuf> {
    let mut name = name_of(dir)?.to_os_string();
    name.push(suffix);
    Ok(parent(dir)?.join(name))
}

fn name_of(dir: &Path) -> Result<&std::ffi::OsStr> {
    dir.file_name().with_context(|| {
        format!(
            "'{}' does not end in the name of a directory to create",
            dir.display()
        )
    })
}

fn parent(dir: &Path) -> Result<&Path> {
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => bail!(
            "'{}' does not end in the name of a directory to create",
            dir.display()
        ),
    }
}
