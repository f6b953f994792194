//! What processes have resident that the kernel cannot take back, read often and cheaply.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads `RssAnon + RssShmem` of a changing set of processes. It keeps their files open: opening costs more than reading.
#[derive(Default)]
pub(crate) struct Reader {
    status: HashMap<i32, File>,
}

impl Reader {
    /// The sum over `processes`, in bytes. One that has just ended counts nothing.
    pub(crate) fn sum(&mut self, processes: &[i32]) -> u64 {
        self.status.retain(|id, _| processes.contains(id));
        processes.iter().filter_map(|id| self.read(*id)).sum()
    }

    fn read(&mut self, id: i32) -> Option<u64> {
        let file = match self.status.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(File::open(format!("/proc/{id}/status")).ok()?),
        };
        // The lines of interest stand in its first kilobyte; the whole is about one and a half.
        let mut buffer = [0; 4096];
        let length = file.read_at(&mut buffer, 0).ok()?;
        parse(buffer.get(..length)?)
    }
}

/// The two lines of proc_pid_status(5), added up, in bytes.
fn parse(status: &[u8]) -> Option<u64> {
    let status = String::from_utf8_lossy(status);
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((kib("RssAnon:")? + kib("RssShmem:")?) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_and_shared_pages_count_and_mapped_files_do_not() {
        let status = b"VmRSS:\t 900 kB\nRssAnon:\t   100 kB\nRssFile:\t 700 kB\nRssShmem:\t 3 kB\n";
        assert_eq!(parse(status), Some(103 * 1024));
        assert_eq!(parse(b"Name:\tkthreadd\n"), None);
    }

    #[test]
    fn this_process_is_seen_to_grow() {
        let own = [i32::try_from(std::process::id()).unwrap()];
        let mut reader = Reader::default();
        let before = reader.sum(&own);
        let burst = vec![1u8; 64 << 20];
        let after = reader.sum(&own);
        assert!(after >= before + (60 << 20), "{before} {after}");
        drop(burst);
        assert_eq!(reader.sum(&[]), 0);
    }
}
