use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

/// The resident memory of this process as the kernel counts it, in bytes.
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
        let status = fs::read_to_string("/proc/self/status")?;
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

/// Watches the resident memory of this process from a thread of its own, as long as it lives.
///
/// A process keeps no high-water mark of anonymous and shared pages alone (`VmHWM` counts page cache
/// too), so peaks are sampled: every [10 ms](Meter::INTERVAL), which costs well under 1 % of a core.
pub struct Meter {
    watch: Arc<Watch>,
    sampler: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Watch {
    stop: AtomicBool,
    peak: AtomicU64,
    guards: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Watch {
    fn sample(&self) {
        let Ok(resident) = ResidentMemory::read() else {
            return;
        };
        let bytes = resident.line();
        self.peak.fetch_max(bytes, Ordering::Relaxed);
        self.guards.lock().retain(|guard| match guard.upgrade() {
            Some(peak) => {
                peak.fetch_max(bytes, Ordering::Relaxed);
                true
            }
            None => false,
        });
    }
}

impl Meter {
    /// The time between two samples.
    pub const INTERVAL: Duration = Duration::from_millis(10);

    /// Starts to watch.
    ///
    /// # Errors
    /// If this system does not say what is resident, or no thread can be started.
    pub fn start() -> io::Result<Self> {
        ResidentMemory::read()?;
        let watch = Arc::new(Watch::default());
        watch.sample();
        let shared = Arc::clone(&watch);
        let sampler = thread::Builder::new()
            .name("memory-meter".into())
            .spawn(move || {
                while !shared.stop.load(Ordering::Relaxed) {
                    shared.sample();
                    thread::park_timeout(Self::INTERVAL);
                }
            })?;
        Ok(Self {
            watch,
            sampler: Some(sampler),
        })
    }

    /// The most that was resident since the meter was started, in bytes.
    pub fn peak(&self) -> u64 {
        self.watch.sample();
        self.watch.peak.load(Ordering::Relaxed)
    }

    /// Starts a peak of its own: that of one query, say.
    pub fn guard(&self) -> PeakGuard {
        let peak = Arc::new(AtomicU64::new(0));
        self.watch.guards.lock().push(Arc::downgrade(&peak));
        self.watch.sample();
        PeakGuard {
            watch: Arc::clone(&self.watch),
            peak,
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.watch.stop.store(true, Ordering::Relaxed);
        if let Some(sampler) = self.sampler.take() {
            sampler.thread().unpark();
            // The sampler does not panic; if it did, its panic was printed and nothing is left to do.
            let _ = sampler.join();
        }
    }
}

/// The peak since it was made; see [`Meter::guard`].
pub struct PeakGuard {
    watch: Arc<Watch>,
    peak: Arc<AtomicU64>,
}

impl PeakGuard {
    /// The most that was resident while this guard lived, in bytes.
    pub fn peak(&self) -> u64 {
        self.watch.sample();
        self.peak.load(Ordering::Relaxed)
    }
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
    fn a_guard_sees_a_burst_that_is_over_when_it_is_asked() {
        const BURST: usize = 64 << 20;
        let meter = Meter::start().unwrap();
        let guard = meter.guard();
        let before = guard.peak();
        let burst = vec![1u8; BURST];
        let during = meter.guard();
        drop(burst);
        assert!(guard.peak() >= before.min(during.peak()));
        assert!(guard.peak() >= BURST as u64, "{}", guard.peak());
        let after = meter.guard();
        assert!(after.peak() < guard.peak());
        assert!(meter.peak() >= guard.peak());
    }
}
