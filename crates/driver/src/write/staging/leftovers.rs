//! What killed processes left of their writes to a target.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::{debug, info};
use uuid::Uuid;

use super::moves;
use crate::spill::open_directory;

/// What the names of directories begin with that writes put their files in. The name of the target and a random part
/// follow.
pub(super) const PREFIX: &str = "._temporary-";

/// What the name ends with of what was at the target, while it is neither there nor gone.
const OLD: &str = ".old";

/// Removes what dead processes left in `root` of writes to `target`, which is called `name`. If one of them died when it
/// had moved what was there aside and nothing was in its place yet, that is moved back.
pub(super) fn remove(root: &Path, name: &str, target: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    let prefix = format!("{PREFIX}{name}-");
    for entry in entries.flatten() {
        let of_target = |found: &str| {
            let random = found.strip_prefix(&prefix)?;
            let is_old = random.ends_with(OLD);
            let random = random.strip_suffix(OLD).unwrap_or(random);
            Uuid::try_parse(random).ok().map(|_| is_old)
        };
        let path = entry.path();
        match entry.file_name().to_str().and_then(of_target) {
            Some(false) if is_abandoned(&path) => {
                info!("removing {}, which a dead process left", path.display());
                moves::remove(&path);
            }
            Some(true) => put_back_or_remove(&path, target),
            _ => {}
        }
    }
}

/// What was at the target and was moved aside by a process that is dead now.
fn put_back_or_remove(old: &Path, target: &Path) {
    let directory = PathBuf::from(old.to_string_lossy().trim_end_matches(OLD));
    // What it wrote is there until it is moved to the target, and it holds the lock on that.
    let owned = match directory.exists() {
        true => directory.as_path(),
        false => target,
    };
    if owned.is_dir() && !is_abandoned(owned) {
        return;
    }
    if target.symlink_metadata().is_ok() {
        moves::remove(old);
    } else if let Err(error) = fs::rename(old, target) {
        debug!("cannot move {} back: {error}", old.display());
    }
}

/// Whether no process has the lock on a directory. Where there are no locks, that cannot be told.
fn is_abandoned(directory: &Path) -> bool {
    open_directory(directory).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::super::{SaveMode, Staging, Target};
    use super::*;

    const RANDOM: &str = "a4a2a3a4-b1b2-41c2-81d2-d3d4d5d6d7d8";

    fn begin(target: &Path) -> Staging {
        let path = target.to_str().unwrap();
        let begun = Staging::begin(path, Target::Directory, SaveMode::Overwrite, false);
        begun.unwrap().unwrap()
    }

    #[test]
    fn what_the_dead_left_goes_and_what_the_living_and_others_have_stays() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("t");
        let living = begin(&target);
        let others = [
            format!("{PREFIX}t-x-{RANDOM}"),
            format!("{PREFIX}t-notrandom"),
        ];
        for other in &others {
            fs::create_dir(root.path().join(other)).unwrap();
        }
        let dead = root.path().join(format!("{PREFIX}t-{RANDOM}"));
        fs::create_dir_all(dead.join("k=1")).unwrap();
        let next = begin(&target);
        assert!(!dead.exists());
        assert!(living.directory().is_dir() && next.directory().is_dir());
        for other in &others {
            assert!(root.path().join(other).is_dir());
        }
    }

    #[test]
    fn what_was_moved_aside_comes_back_if_nothing_took_its_place() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("t");
        let old = root.path().join(format!("{PREFIX}t-{RANDOM}{OLD}"));
        fs::create_dir(&old).unwrap();
        fs::write(old.join("rows"), "1").unwrap();
        drop(begin(&target));
        assert_eq!(fs::read_to_string(target.join("rows")).unwrap(), "1");
        fs::create_dir(&old).unwrap();
        drop(begin(&target));
        assert!(!old.exists());
        assert!(target.join("rows").exists());
    }
}
