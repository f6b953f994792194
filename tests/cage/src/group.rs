//! One memory cgroup: made with a limit, entered, asked, and removed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Place, Version};

/// What the names of our groups begin with; the id of the process that made one follows, and a number.
const PREFIX: &str = "plimsoll-cage-";

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A memory cgroup with a limit and no swap. Dropped, it ends the processes in it and removes itself.
#[derive(Debug)]
pub(crate) struct Group {
    version: Version,
    directory: PathBuf,
}

impl Group {
    /// Makes a group in `place` that may hold `limit` bytes.
    ///
    /// # Errors
    /// When groups cannot be made there, have no memory controller, or take no limit.
    pub(crate) fn create(place: &Place, limit: u64) -> io::Result<Self> {
        sweep(&place.directory);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", process::id());
        let directory = place.directory.join(name);
        if place.version == Version::Two {
            // Refused where processes live in the group itself, and needless where somebody has done it before.
            let _ = fs::write(place.directory.join("cgroup.subtree_control"), "+memory");
        }
        fs::create_dir(&directory)?;
        // From here on a failure removes the directory.
        let group = Self {
            version: place.version,
            directory,
        };
        group.limit(limit)?;
        Ok(group)
    }

    fn limit(&self, limit: u64) -> io::Result<()> {
        let limit = limit.to_string();
        match self.version {
            Version::One => {
                self.write("memory.limit_in_bytes", &limit)?;
                self.write("memory.swappiness", "0")?;
                // There only where the kernel counts swap. Memory and swap together: no swap at all.
                if self.file("memory.memsw.limit_in_bytes").exists() {
                    self.write("memory.memsw.limit_in_bytes", &limit)?;
                }
            }
            Version::Two => {
                self.write("memory.max", &limit)?;
                if self.file("memory.swap.max").exists() {
                    self.write("memory.swap.max", "0")?;
                }
            }
        }
        Ok(())
    }

    /// The file that a process enters the group by: it writes `0`, which means itself.
    pub(crate) fn door(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .open(self.file("cgroup.procs"))
    }

    /// The ids of the processes in the group.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let listed = fs::read_to_string(self.file("cgroup.procs")).unwrap_or_default();
        listed.lines().filter_map(|id| id.parse().ok()).collect()
    }

    /// How many processes the kernel has killed for want of memory.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(crate) fn oom_kills(&self) -> io::Result<u64> {
        let name = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(self.file(name))?;
        value(&text, "oom_kill").ok_or_else(|| io::Error::other(format!("{name}: no oom_kill")))
    }

    /// The most bytes that were charged to the group, page cache and the kernel's own included; 0 where the kernel
    /// keeps no such figure.
    pub(crate) fn peak_charged(&self) -> u64 {
        self.number(match self.version {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        })
    }

    /// Bytes that the kernel holds for the group now: page tables, stacks of threads, dentries. They count against the
    /// limit and are in nobody's resident memory.
    pub(crate) fn kernel(&self) -> u64 {
        match self.version {
            Version::One => self.number("memory.kmem.usage_in_bytes"),
            Version::Two => {
                let text = fs::read_to_string(self.file("memory.stat")).unwrap_or_default();
                value(&text, "kernel").unwrap_or(0)
            }
        }
    }

    /// Bytes of anonymous and shared memory that are charged to the group now; `None` where the kernel does not say. It
    /// lags behind by up to a few hundred KiB.
    pub(crate) fn resident(&self) -> Option<u64> {
        let text = fs::read_to_string(self.file("memory.stat")).ok()?;
        let anonymous = match self.version {
            Version::One => value(&text, "rss")?,
            Version::Two => value(&text, "anon")?,
        };
        Some(anonymous + value(&text, "shmem").unwrap_or(0))
    }

    /// Ends whatever runs in the group.
    pub(crate) fn kill_all(&self) {
        for id in self.processes() {
            if let Some(pid) = Pid::from_raw(id) {
                // One that has ended by itself meanwhile is what was wanted.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    fn number(&self, name: &str) -> u64 {
        let text = fs::read_to_string(self.file(name)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        fs::write(self.file(name), value)
            .map_err(|error| io::Error::new(error.kind(), format!("{value} into {name}: {error}")))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A killed process leaves its group when it has died, a moment after the signal.
        for _ in 0..500 {
            self.kill_all();
            match fs::remove_dir(&self.directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    thread::sleep(Duration::from_millis(10));
                }
                _ => return,
            }
        }
        eprintln!("cannot remove {}", self.directory.display());
    }
}

/// Removes the groups of processes that were killed before they could. One that is not empty stays: what is in it is
/// not ours.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(maker);
        if maker.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The process that made a group, by the group's name; `None` when the group is not one of ours.
fn maker(name: &str) -> Option<u32> {
    let (id, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    id.parse().ok()
}

/// The number behind a name, in a file of lines of the two.
fn value(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .find(|(found, _)| *found == name)?
        .1
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_told_from_other_events() {
        let first = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        assert_eq!(value(first, "oom_kill"), Some(2));
        let second = "low 0\nhigh 0\nmax 31\noom 4\noom_kill 3\noom_group_kill 0\n";
        assert_eq!(value(second, "oom_kill"), Some(3));
        assert_eq!(value("", "oom_kill"), None);
    }

    #[test]
    fn only_groups_of_ours_have_a_maker() {
        assert_eq!(maker("plimsoll-cage-17-0"), Some(17));
        assert_eq!(maker("plimsoll-cage-17"), None);
        assert_eq!(maker("docker-17-0"), None);
    }
}
