//! What killed processes left of their writes to a target.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tracing::{info, warn};
use uuid::Uuid;

use super::moves;
use crate::spill::open_directory;
use crate::write::SUCCESS;

/// What the names of directories begin with that writes put their files in. The name of the target and a random part
/// follow.
pub(super) const PREFIX: &str = "._temporary-";

/// What the name ends with of what was at the target, while all of it is moved aside.
pub(super) const OLD: &str = ".old";

/// What the name ends with of the part of a target that is being moved aside, in the places that it has in the target.
pub(super) const MOVING: &str = ".moving";

/// And what it ends with when all of that part is aside, and what was written comes in its place.
pub(super) const REPLACED: &str = ".replaced";

/// And when nobody needs it any more.
pub(super) const DONE: &str = ".done";

/// Brings to an end, or undoes, what dead processes left in `root` of writes to `target`, which is called `name`. What
/// was moved aside is removed only if what was written certainly is in its place.
pub(super) fn settle(root: &Path, name: &str, target: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    let prefix = format!("{PREFIX}{name}-");
    let of_target = |found: &str| {
        let rest = found.strip_prefix(&prefix)?;
        let random = rest.split('.').next()?;
        let is_ours = ["", OLD, MOVING, REPLACED, DONE].contains(&&rest[random.len()..]);
        let is_ours = is_ours && Uuid::try_parse(random).is_ok();
        is_ours.then(|| root.join(format!("{prefix}{random}")))
    };
    let directories: BTreeSet<PathBuf> = entries
        .flatten()
        .filter_map(|entry| of_target(entry.file_name().to_str()?))
        .collect();
    for directory in directories {
        settle_write(&directory, target);
    }
}

/// Settles the write that had its files in `directory`.
fn settle_write(directory: &Path, target: &Path) {
    let [old, moving, replaced, done] =
        [OLD, MOVING, REPLACED, DONE].map(|what| aside(directory, what));
    // The lock is on what was written, wherever it is by now.
    let owned = match directory.exists() {
        true => Some(directory),
        false => Some(target).filter(|target| old.exists() && target.is_dir()),
    };
    let lock = owned.map(lock_of_the_dead);
    if matches!(lock, Some(None)) {
        return;
    }
    info!(
        "settling {}, which a dead process left",
        directory.display()
    );
    moves::remove(&done);
    let is_settled = if moving.exists() {
        put_back(&moving, target)
    } else if replaced.exists() && directory.exists() {
        bring_over(directory, target) && {
            moves::remove(&replaced);
            true
        }
    } else if replaced.exists() {
        put_back(&replaced, target)
    } else if old.exists() {
        put_back_all(&old, directory, target)
    } else {
        true
    };
    if is_settled {
        moves::remove(directory);
    }
}

/// Moves what was at the target back, or removes it if something else took its place.
fn put_back_all(old: &Path, directory: &Path, target: &Path) -> bool {
    if target.symlink_metadata().is_err() {
        return told(old, moves::move_to_new(old, target));
    }
    // What was written is where it belongs only if nothing of it is left here.
    let is_finished = match moves::entries(directory) {
        Ok(entries) => entries.is_empty(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    match is_finished {
        true => moves::remove(old),
        false => stays(old, target),
    }
    is_finished
}

/// Moves a part of a target back to its places; what has something in its place stays where it is.
fn put_back(from: &Path, place: &Path) -> bool {
    let begun = fs::create_dir_all(place).and_then(|()| moves::entries(from));
    let Ok(entries) = begun else {
        return told(from, begun.map(drop));
    };
    let mut is_all = true;
    for path in entries {
        let to = moves::in_directory(place, &path);
        // It fails if there is something in it, and so it should.
        let _ = fs::remove_dir(&to);
        is_all &= match moves::move_to_new(&path, &to) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                match has_only_directories(&path) && has_only_directories(&to) {
                    // Partitions within partitions, some of which were not moved.
                    true => put_back(&path, &to),
                    false => {
                        stays(&path, &to);
                        false
                    }
                }
            }
            moved => told(&path, moved),
        };
    }
    if is_all {
        moves::remove(from);
    }
    is_all
}

/// Moves the rest of what was written to the target, which has a part of it already.
fn bring_over(directory: &Path, target: &Path) -> bool {
    let files = moves::files(directory);
    let Ok(files) = files else {
        return told(directory, files.map(drop));
    };
    let mut is_all = true;
    for file in files {
        let to = target.join(file.strip_prefix(directory).unwrap_or(&file));
        if to.exists() && to.file_name() != Some(SUCCESS.as_ref()) {
            stays(&file, &to);
            is_all = false;
            continue;
        }
        let made = to.parent().map_or(Ok(()), fs::create_dir_all);
        is_all &= told(&file, made.and_then(|()| fs::rename(&file, &to)));
    }
    is_all
}

fn has_only_directories(path: &Path) -> bool {
    path.is_dir() && moves::entries(path).is_ok_and(|all| all.iter().all(|path| path.is_dir()))
}

fn stays(path: &Path, place: &Path) {
    warn!(
        "{} was moved aside by a write that was killed, and something else is at {}: it stays, look at it and remove it",
        path.display(),
        place.display()
    );
}

/// Whether a move was made; if not, why is told.
fn told(path: &Path, moved: io::Result<()>) -> bool {
    if let Err(error) = &moved {
        warn!(
            "cannot move {}, which a write left that was killed: {error}",
            path.display()
        );
    }
    moved.is_ok()
}

/// What belongs to the directory of a write and is called like it.
pub(super) fn aside(directory: &Path, what: &str) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(what);
    name.into()
}

/// The lock on a directory, unless a living process has it. Where there are no locks, that cannot be told.
fn lock_of_the_dead(directory: &Path) -> Option<File> {
    let file = open_directory(directory).ok()?;
    file.try_lock().is_ok().then_some(file)
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

    /// A target with two partitions, and what a write of `k=1` and `k=3` left that was killed.
    fn killed(what: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("t");
        let directory = root.path().join(format!("{PREFIX}t-{RANDOM}"));
        for (at, rows) in [
            (target.join("j=1/k=2"), "old 2"),
            (aside(&directory, what).join("j=1/k=1"), "old 1"),
            (directory.join("j=1/k=1"), "new 1"),
            (directory.join("j=1/k=3"), "new 3"),
        ] {
            fs::create_dir_all(&at).unwrap();
            fs::write(at.join(rows), rows).unwrap();
        }
        (root, target, directory)
    }

    fn names(directory: &Path) -> Vec<String> {
        let files = moves::files(directory).unwrap();
        let names = files.iter().filter_map(|file| file.file_name());
        names.map(|name| name.to_string_lossy().into()).collect()
    }

    #[test]
    fn partitions_that_were_moved_aside_come_back_if_not_all_were() {
        let (root, target, _) = killed(MOVING);
        let path = target.to_str().unwrap();
        let refused = Staging::begin(path, Target::Directory, SaveMode::ErrorIfExists, false);
        assert!(refused.is_err());
        assert_eq!(
            names(&target),
            ["old 2"],
            "nobody who is refused moves anything"
        );
        drop(begin(&target));
        assert_eq!(names(&target), ["old 1", "old 2"]);
        assert_eq!(moves::entries(root.path()).unwrap(), [target]);
    }

    #[test]
    fn partitions_that_were_written_come_all_if_one_may_have_come() {
        let (root, target, directory) = killed(REPLACED);
        fs::create_dir_all(target.join("j=1/k=1")).unwrap();
        let (from, to) = (directory.join("j=1/k=1"), target.join("j=1/k=1"));
        fs::rename(from.join("new 1"), to.join("new 1")).unwrap();
        drop(begin(&target));
        assert_eq!(names(&target), ["new 1", "old 2", "new 3"]);
        assert_eq!(moves::entries(root.path()).unwrap(), [target]);
    }

    #[test]
    fn what_has_something_else_in_its_place_stays_aside() {
        let (_root, target, directory) = killed(MOVING);
        fs::create_dir_all(target.join("j=1/k=1")).unwrap();
        fs::write(target.join("j=1/k=1/other"), "").unwrap();
        drop(begin(&target));
        assert_eq!(names(&target), ["other", "old 2"]);
        assert_eq!(names(&aside(&directory, MOVING)), ["old 1"]);
        assert_eq!(names(&directory), ["new 1", "new 3"]);
        // All of a target was moved aside, another came, and what was written did not.
        let old = aside(&directory, OLD);
        fs::rename(aside(&directory, MOVING), &old).unwrap();
        drop(begin(&target));
        assert_eq!(names(&old), ["old 1"]);
    }
}
