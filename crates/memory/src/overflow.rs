//! Memory on disk, for large allocations that do not fit under the line.
//!
//! A file in the spill directory, unlinked and sparse, is mapped shared into the address space. Its pages are
//! page cache: the kernel writes them back and takes them away when memory is short, and they are no
//! part of the line (`RssFile`, not `RssAnon`). An allocation gets a run of [`CHUNK`]s whose disk blocks are
//! allocated first, so that a full disk is known here and does not become a `SIGBUS` later; when it is freed
//! a hole is punched, which gives the blocks back and makes the pages read as zeros again.
//!
//! Much slower than memory when it is used at random and does not fit in the page cache either, about as fast as the disk
//! when it is used in order.

use std::alloc::Layout;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

/// The smallest allocation that is taken from disk, in bytes.
pub(crate) const LEAST: usize = 16 << 10;

/// What allocations are rounded up to, in bytes.
const CHUNK: usize = 16 << 10;

/// The most that is mapped, in bytes: address space alone, until it is used.
const MOST: u64 = 256 << 30;

static OVERFLOW: OnceLock<Overflow> = OnceLock::new();

struct Overflow {
    file: File,
    base: usize,
    len: usize,
    chunks: Mutex<Chunks>,
    used: AtomicU64,
    peak: AtomicU64,
    total: AtomicU64,
}

/// What large allocations took from disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Now.
    pub(crate) used: u64,
    /// At most at once.
    pub(crate) peak: u64,
    /// In all.
    pub(crate) total: u64,
}

/// Lets large allocations that do not fit under the line be taken from a file in `directory`. The first call
/// decides, for the process.
///
/// # Errors
/// If the file system there cannot do it, or is full.
pub(crate) fn open(directory: &Path) -> io::Result<()> {
    if OVERFLOW.get().is_none() {
        let overflow = Overflow::open(directory)?;
        // Another thread may have been first; its file serves as well.
        let _ = OVERFLOW.set(overflow);
    }
    Ok(())
}

pub(crate) fn usage() -> Usage {
    OVERFLOW.get().map_or(Usage::default(), |overflow| Usage {
        used: overflow.used.load(Ordering::Relaxed),
        peak: overflow.peak.load(Ordering::Relaxed),
        total: overflow.total.load(Ordering::Relaxed),
    })
}

/// Zeroed memory for `layout`, or `None` if there is no room on disk or nowhere to look for it.
pub(crate) fn allocate(layout: Layout) -> Option<*mut u8> {
    let overflow = OVERFLOW.get()?;
    (layout.align() <= CHUNK)
        .then(|| overflow.allocate(layout.size()))
        .flatten()
}

/// Whether `memory` came from here.
#[inline]
pub(crate) fn holds(memory: *const u8) -> bool {
    OVERFLOW
        .get()
        .is_some_and(|overflow| (memory as usize).wrapping_sub(overflow.base) < overflow.len)
}

/// Takes back what [`allocate`] gave for `size` bytes.
pub(crate) fn free(memory: *mut u8, size: usize) {
    if let Some(overflow) = OVERFLOW.get() {
        overflow.free(memory as usize - overflow.base, size);
    }
}

impl Overflow {
    fn open(directory: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(directory)?;
        let len = (room(directory)?.min(MOST) as usize) / CHUNK * CHUNK;
        file.set_len(len as u64)?;
        // Known at once whether blocks can be allocated and given back here.
        allocate_blocks(&file, 0, CHUNK)?;
        punch_hole(&file, 0, CHUNK)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of a file that is ours, at an address the kernel chooses.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED | libc::MAP_NORESERVE,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the mapping just made. Not copied into child processes or core dumps; advice that is
        // refused changes nothing.
        unsafe {
            libc::madvise(base, len, libc::MADV_DONTFORK);
            libc::madvise(base, len, libc::MADV_DONTDUMP);
        }
        Ok(Self {
            file,
            base: base as usize,
            len,
            chunks: Mutex::new(Chunks::new(len / CHUNK)),
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            total: AtomicU64::new(0),
        })
    }

    fn allocate(&self, size: usize) -> Option<*mut u8> {
        let count = size.div_ceil(CHUNK);
        let first = self.chunks.lock().ok()?.take(count)?;
        let (at, len) = (first * CHUNK, count * CHUNK);
        if allocate_blocks(&self.file, at, len).is_err() {
            self.give_back(at, len);
            return None;
        }
        let used = self.used.fetch_add(len as u64, Ordering::Relaxed) + len as u64;
        self.peak.fetch_max(used, Ordering::Relaxed);
        self.total.fetch_add(len as u64, Ordering::Relaxed);
        Some((self.base + at) as *mut u8)
    }

    fn free(&self, at: usize, size: usize) {
        let len = size.div_ceil(CHUNK) * CHUNK;
        self.used.fetch_sub(len as u64, Ordering::Relaxed);
        self.give_back(at, len);
    }

    /// Makes a run available again, once its blocks are gone and it reads as zeros.
    fn give_back(&self, at: usize, len: usize) {
        // A run that cannot be emptied is never used again.
        if punch_hole(&self.file, at, len).is_ok()
            && let Ok(mut chunks) = self.chunks.lock()
        {
            chunks.give_back(at / CHUNK, len / CHUNK);
        }
    }
}

/// Bytes that the file system of `directory` has left for this user.
fn room(directory: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(directory)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

fn allocate_blocks(file: &File, at: usize, len: usize) -> io::Result<()> {
    fallocate(file, libc::FALLOC_FL_KEEP_SIZE, at, len)
}

fn punch_hole(file: &File, at: usize, len: usize) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    fallocate(file, mode, at, len)
}

fn fallocate(file: &File, mode: libc::c_int, at: usize, len: usize) -> io::Result<()> {
    loop {
        // SAFETY: a system call on a file that is open.
        let done = unsafe { libc::fallocate(file.as_raw_fd(), mode, at as i64, len as i64) };
        if done == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Which chunks are taken: a bit for each, set for taken.
struct Chunks {
    words: Vec<u64>,
    len: usize,
    /// Where to look first: behind what was taken last.
    next: usize,
}

impl Chunks {
    fn new(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(64)],
            len,
            next: 0,
        }
    }

    /// Takes the first run of `count` free chunks from `next` on, or from the beginning.
    fn take(&mut self, count: usize) -> Option<usize> {
        let first = self
            .find(self.next, self.len, count)
            .or_else(|| self.find(0, self.next.saturating_add(count).min(self.len), count))?;
        self.set(first, count, true);
        self.next = first + count;
        Some(first)
    }

    fn give_back(&mut self, first: usize, count: usize) {
        self.set(first, count, false);
    }

    fn find(&self, from: usize, to: usize, count: usize) -> Option<usize> {
        let mut run = 0;
        let mut at = from;
        while at < to {
            let word = self.words[at / 64];
            if at.is_multiple_of(64) && word == u64::MAX {
                run = 0;
                at += 64;
                continue;
            }
            let is_taken = word >> (at % 64) & 1 == 1;
            run = if is_taken { 0 } else { run + 1 };
            at += 1;
            if run == count {
                return Some(at - count);
            }
        }
        None
    }

    fn set(&mut self, first: usize, count: usize, taken: bool) {
        for at in first..first + count {
            let bit = 1 << (at % 64);
            match taken {
                true => self.words[at / 64] |= bit,
                false => self.words[at / 64] &= !bit,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_taken_once_and_found_again() {
        let mut chunks = Chunks::new(130);
        assert_eq!(chunks.take(100), Some(0));
        assert_eq!(chunks.take(31), None);
        assert_eq!(chunks.take(30), Some(100));
        assert_eq!(chunks.take(1), None);
        chunks.give_back(60, 10);
        assert_eq!(chunks.take(11), None);
        assert_eq!(chunks.take(10), Some(60));
        chunks.give_back(0, 130);
        assert_eq!(chunks.take(130), Some(0));
    }

    #[test]
    fn memory_on_disk_is_zeroed_holds_what_is_written_and_is_zeroed_again() {
        let directory = tempfile::tempdir().unwrap();
        let overflow = Overflow::open(directory.path()).unwrap();
        let size = 3 * CHUNK + 5;
        let memory = overflow.allocate(size).unwrap();
        // SAFETY: `size` bytes that were just allocated, and are freed below.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory, size) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        bytes.fill(7);
        assert_eq!(overflow.used.load(Ordering::Relaxed), 4 * CHUNK as u64);
        overflow.free(memory as usize - overflow.base, size);
        assert_eq!(overflow.used.load(Ordering::Relaxed), 0);
        overflow.chunks.lock().unwrap().next = 0;
        let again = overflow.allocate(size).unwrap();
        assert_eq!(again, memory);
        // SAFETY: as above.
        let bytes = unsafe { std::slice::from_raw_parts(again, size) };
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
}
