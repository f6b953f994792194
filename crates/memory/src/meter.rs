use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use crate::resident::Resident;
use crate::{account, overflow};

/// What the process holds at one moment, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Resident in this process and in the children it watches, as the kernel counts it: anonymous and
    /// shared-memory pages (`RssAnon + RssShmem`), what the line is about.
    pub resident: u64,
    /// The part of it that is the children's.
    pub children: u64,
    /// Allocated and not freed, as [`CountingAllocator`](crate::CountingAllocator) counts it; 0 where that is not the allocator.
    pub allocated: u64,
    /// Large allocations that were put on disk because they did not fit.
    pub overflow: u64,
}

impl Sample {
    /// The larger of each figure.
    fn most(self, other: Self) -> Self {
        Self {
            resident: self.resident.max(other.resident),
            children: self.children.max(other.children),
            allocated: self.allocated.max(other.allocated),
            overflow: self.overflow.max(other.overflow),
        }
    }
}

/// Whoever acts on what the meter sees, on the meter's thread.
pub(crate) trait Watcher: Send {
    fn sampled(&mut self, sample: Sample);
}

/// Watches the memory of this process from a thread of its own, as long as it lives.
///
/// A process keeps no high-water mark of anonymous and shared pages alone (`VmHWM` counts page cache
/// too), so peaks are sampled: every [5 ms](Meter::INTERVAL), which costs about 0.1 % of a core, and when the allocator
/// wakes it because the gate was reached.
pub struct Meter {
    watch: Arc<Watch>,
    sampler: Option<JoinHandle<()>>,
}

struct Watch {
    stop: AtomicBool,
    resident: Mutex<Resident>,
    peak: Mutex<Sample>,
    guards: Mutex<Vec<Weak<Mutex<Sample>>>>,
}

impl Watch {
    fn sample(&self) -> Option<Sample> {
        let resident = self.resident.lock().read().ok()?;
        let sample = Sample {
            resident: resident.own + resident.children,
            children: resident.children,
            allocated: account::live(),
            overflow: overflow::usage().used,
        };
        let mut peak = self.peak.lock();
        *peak = peak.most(sample);
        drop(peak);
        self.guards.lock().retain(|guard| match guard.upgrade() {
            Some(peak) => {
                let mut peak = peak.lock();
                *peak = peak.most(sample);
                true
            }
            None => false,
        });
        Some(sample)
    }
}

impl Meter {
    /// The time between two samples.
    pub const INTERVAL: Duration = Duration::from_millis(5);

    /// Starts to watch.
    ///
    /// # Errors
    /// If this system does not say what is resident, or no thread can be started.
    pub fn start() -> io::Result<Self> {
        Self::start_with(None)
    }

    pub(crate) fn start_with(mut watcher: Option<Box<dyn Watcher>>) -> io::Result<Self> {
        let watch = Arc::new(Watch {
            stop: AtomicBool::new(false),
            resident: Mutex::new(Resident::open()?),
            peak: Mutex::default(),
            guards: Mutex::default(),
        });
        watch.sample();
        let shared = Arc::clone(&watch);
        let sampler = thread::Builder::new()
            .name("memory-meter".into())
            .spawn(move || {
                account::watch_from_this_thread();
                while !shared.stop.load(Ordering::Relaxed) {
                    if let (Some(sample), Some(watcher)) = (shared.sample(), &mut watcher) {
                        watcher.sampled(sample);
                    }
                    thread::park_timeout(Self::INTERVAL);
                }
            })?;
        Ok(Self {
            watch,
            sampler: Some(sampler),
        })
    }

    /// What is held now.
    pub fn now(&self) -> Sample {
        self.watch.sample().unwrap_or_default()
    }

    /// The most that was held since the meter was started, figure by figure.
    pub fn peak(&self) -> Sample {
        self.watch.sample();
        let mut peak = *self.watch.peak.lock();
        peak.allocated = peak.allocated.max(account::peak());
        peak.overflow = peak.overflow.max(overflow::usage().peak);
        peak
    }

    /// All that was put on disk because it did not fit, in bytes, since the process began.
    pub fn overflowed(&self) -> u64 {
        overflow::usage().total
    }

    /// How often a thread had to wait for others to free memory since the process began.
    pub fn waits(&self) -> u64 {
        account::waits()
    }

    /// Counts what is resident in a child process, and in its children, from now on until it has ended.
    pub fn watch_child(&self, pid: u32) {
        self.watch.resident.lock().watch_child(pid);
    }

    /// Starts a peak of its own: that of one query, say.
    pub fn guard(&self) -> PeakGuard {
        let peak = Arc::new(Mutex::new(Sample::default()));
        self.watch.guards.lock().push(Arc::downgrade(&peak));
        self.watch.sample();
        PeakGuard {
            watch: Arc::clone(&self.watch),
            peak,
            overflowed_before: overflow::usage().total,
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
    peak: Arc<Mutex<Sample>>,
    overflowed_before: u64,
}

impl PeakGuard {
    /// The most that was held while this guard lived, figure by figure.
    pub fn peak(&self) -> Sample {
        self.watch.sample();
        *self.peak.lock()
    }

    /// What is held now.
    pub fn now(&self) -> Sample {
        self.watch.sample().unwrap_or_default()
    }

    /// All that was put on disk while this guard lived because it did not fit, in bytes.
    pub fn overflowed(&self) -> u64 {
        overflow::usage().total - self.overflowed_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_sees_a_burst_that_is_over_when_it_is_asked() {
        const BURST: usize = 64 << 20;
        let meter = Meter::start().unwrap();
        let guard = meter.guard();
        let before = guard.peak().resident;
        let burst = vec![1u8; BURST];
        let during = meter.guard();
        drop(burst);
        let peak = guard.peak().resident;
        assert!(peak >= before.min(during.peak().resident));
        assert!(peak >= BURST as u64, "{peak}");
        let after = meter.guard();
        assert!(after.peak().resident < peak);
        assert!(meter.peak().resident >= peak);
    }
}
