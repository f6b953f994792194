//! What is resident, as the kernel counts it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The resident memory of one process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResidentMemory {
    /// Anonymous pages (`RssAnon`): heap, stacks.
    pub anonymous: u64,
    /// Shared-memory pages (`RssShmem`): tmpfs and shared mappings.
    pub shared: u64,
}

impl ResidentMemory {
    /// Reads `/proc/self/status`; see proc_pid_status(5).
    ///
    /// # Errors
    /// If the file cannot be read or has no such lines: not on Linux, or before Linux 4.5.
    pub fn read() -> io::Result<Self> {
        Self::of("self")
    }

    fn of(process: &str) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        Self::parse(&status)
            .ok_or_else(|| io::Error::other("/proc/self/status has no RssAnon and RssShmem"))
    }

    fn parse(status: &str) -> Option<Self> {
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let value: u64 = line.split_whitespace().next()?.parse().ok()?;
            value.checked_mul(1024)
        };
        Some(Self {
            anonymous: kib("RssAnon:")?,
            shared: kib("RssShmem:")?,
        })
    }

    /// What the kernel cannot take back, and what the line is about: all but clean page cache.
    pub fn line(&self) -> u64 {
        self.anonymous + self.shared
    }
}

/// What is resident in this process and in its children, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) own: u64,
    pub(crate) children: u64,
}

/// `/proc/self/statm`, open for the life of the process.
struct Statm {
    file: File,
    page: u64,
}

static STATM: OnceLock<Statm> = OnceLock::new();

impl Statm {
    fn open() -> io::Result<Self> {
        // SAFETY: a system call without arguments in memory.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Ok(Self {
            file: File::open("/proc/self/statm")?,
            page: u64::try_from(page).map_err(io::Error::other)?,
        })
    }

    /// Anonymous memory in bytes. Allocates nothing.
    fn anonymous(&self) -> Option<u64> {
        let mut text = [0; 128];
        let len = self.file.read_at(&mut text, 0).ok()?;
        Some(anonymous_pages(&text[..len])? * self.page)
    }
}

/// What is resident of this process in anonymous pages, in bytes; `None` before a meter was started.
/// Allocates nothing.
pub(crate) fn anonymous() -> Option<u64> {
    STATM.get()?.anonymous()
}

/// Reads what is resident often and cheaply: `/proc/self/statm` (a few microseconds) each time, the full `status`, which alone
/// tells shared memory, and the children now and then.
pub(crate) struct Resident {
    shared: u64,
    children: Vec<u32>,
    of_children: u64,
    read_in_full: Instant,
}

impl Resident {
    /// The time between two full readings.
    const IN_FULL: Duration = Duration::from_millis(50);

    pub(crate) fn open() -> io::Result<Self> {
        if STATM.get().is_none() {
            // Another thread's is as good.
            let _ = STATM.set(Statm::open()?);
        }
        Ok(Self {
            shared: ResidentMemory::read()?.shared,
            children: Vec::new(),
            of_children: 0,
            read_in_full: Instant::now(),
        })
    }

    pub(crate) fn watch_child(&mut self, pid: u32) {
        self.children.push(pid);
        self.of_children = self.children.iter().map(|child| line_of_tree(*child)).sum();
    }

    pub(crate) fn read(&mut self) -> io::Result<Reading> {
        if self.read_in_full.elapsed() >= Self::IN_FULL {
            self.read_in_full = Instant::now();
            self.shared = ResidentMemory::read()?.shared;
            self.children
                .retain(|child| fs::exists(format!("/proc/{child}")).unwrap_or(false));
            self.of_children = self.children.iter().map(|child| line_of_tree(*child)).sum();
        }
        let anonymous = anonymous()
            .ok_or_else(|| io::Error::other("/proc/self/statm is not as proc(5) says"))?;
        Ok(Reading {
            own: anonymous + self.shared,
            children: self.of_children,
        })
    }
}

/// All resident pages less those of files and shared memory: `size resident shared …`.
fn anonymous_pages(statm: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(statm).ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let resident = pages.next()?.ok()?;
    let shared = pages.next()?.ok()?;
    Some(resident.saturating_sub(shared))
}

/// What a process and those it has started have resident; 0 for one that has ended.
fn line_of_tree(pid: u32) -> u64 {
    let own = ResidentMemory::of(&pid.to_string()).map_or(0, |resident| resident.line());
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return own;
    };
    let children = threads.flatten().filter_map(|thread| {
        let list = fs::read_to_string(thread.path().join("children")).ok()?;
        Some(
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .map(line_of_tree)
                .sum::<u64>(),
        )
    });
    own + children.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_two_lines_the_line_is_made_of() {
        let status = "VmHWM:\t 9 kB\nRssAnon:\t  1024 kB\nRssFile:\t 5 kB\nRssShmem:\t 2 kB\n";
        let resident = ResidentMemory::parse(status).unwrap();
        assert_eq!(resident.anonymous, 1024 * 1024);
        assert_eq!(resident.line(), 1026 * 1024);
        assert_eq!(ResidentMemory::parse("RssAnon:\t many kB\n"), None);
    }

    #[test]
    fn the_cheap_reading_is_the_full_one() {
        let mut resident = Resident::open().unwrap();
        let cheap = resident.read().unwrap().own;
        let full = ResidentMemory::read().unwrap().line();
        assert!(cheap.abs_diff(full) < 4 << 20, "{cheap} and {full}");
        assert_eq!(anonymous_pages(b"900 500 200 1 0 9 0\n"), Some(300));
        assert_eq!(anonymous_pages(b"900"), None);
    }

    #[test]
    fn children_are_counted_until_they_end() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let mut resident = Resident::open().unwrap();
        resident.watch_child(child.id());
        assert!(resident.read().unwrap().children > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        std::thread::sleep(Resident::IN_FULL);
        assert_eq!(resident.read().unwrap().children, 0);
    }
}
