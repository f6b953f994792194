use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The numbers by which Linux knows file systems that keep files in memory: `TMPFS_MAGIC` and
/// `RAMFS_MAGIC` of `linux/magic.h`.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What a file system says of itself.
pub(super) struct Disk {
    /// Which one it is.
    pub(super) device: u64,
    /// Bytes that are free for users.
    pub(super) free: u64,
    /// Whether it is no disk at all: files in it take memory that the kernel cannot reclaim.
    pub(super) in_memory: bool,
}

impl Disk {
    /// The file system that a path is on.
    ///
    /// # Errors
    /// If there is nothing at the path, or the system does not tell.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = rustix::fs::statfs(path)?;
        // Their types differ from one architecture to the next.
        #[allow(clippy::unnecessary_cast)]
        let (kind, block) = (found.f_type as u64, found.f_bsize as u64);
        Ok(Self {
            device: std::fs::metadata(path)?.dev(),
            free: found.f_bavail.saturating_mul(block),
            in_memory: IN_MEMORY.contains(&(kind & 0xffff_ffff)),
        })
    }
}
