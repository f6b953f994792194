//! The control loop: what is resident, against the line.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::meter::{Meter, Sample, Watcher};
use crate::mode::MemoryMode;
use crate::resident::ResidentMemory;
use crate::task::TaskMemory;
use crate::unified::UnifiedMemory;
use crate::{account, overflow};

const MIB: u64 = 1 << 20;

/// How long threads may wait at the gate before a query is ended to let them go on.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The time between two purges of the allocator, at least, and when the line is near.
const BETWEEN_PURGES: Duration = Duration::from_millis(50);
const BETWEEN_URGENT_PURGES: Duration = Duration::from_millis(10);

static PURGE: OnceLock<fn()> = OnceLock::new();

/// How often freed pages were given back.
static PURGES: AtomicU64 = AtomicU64::new(0);

/// Makes the allocator give back what it kept of freed memory, if it can.
pub(crate) fn purge() {
    if let Some(purge) = PURGE.get() {
        purge();
        count(&PURGES, 1);
    }
}

/// Names what makes the allocator of this process give the pages it keeps of freed memory back to the system; the
/// first call decides.
pub fn purge_with(purge: fn()) {
    // The first one stays.
    let _ = PURGE.set(purge);
}

/// What the loop is to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What this process and its children may have resident, in bytes.
    pub line: u64,
    /// Whether memory that the other parts of the line do not use is lent to execution.
    pub lending: bool,
}

/// What was done to stay under the line, since the process began, in the order in which it is tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// How often freed pages that the allocator kept were given back to the system.
    pub purges: u64,
    /// How often lent memory was asked back while it was in use.
    pub taken_back: u64,
    /// Bytes of cached blocks evicted.
    pub evicted: u64,
    /// Bytes taken back from operators that sat idle.
    pub reclaimed: u64,
    /// How often scans were held back.
    pub held_back: u64,
    /// Bytes of large allocations that were put on disk.
    pub overflowed: u64,
    /// How often a thread had to wait for others to free memory.
    pub waits: u64,
    /// Queries that were ended.
    pub cancelled: u64,
}

/// What each part of the line held at most, measured, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PartPeaks {
    /// The engine itself: what was allocated before anything ran. Its part of the line is the reserved memory.
    pub engine: u64,
    /// Execution and storage, as reserved.
    pub unified: u64,
    /// All else that was allocated, which nobody reserved: user memory.
    pub user: u64,
}

#[derive(Default)]
struct Counts {
    taken_back: AtomicU64,
    evicted: AtomicU64,
    reclaimed: AtomicU64,
    held_back: AtomicU64,
    cancelled: AtomicU64,
}

fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// Keeps what is resident under the line.
///
/// ```text
///   line ─┬─ margin        what grows between two samples, and what the kernel keeps for the process
///         ├─ overhead      resident beyond what was allocated: stacks, fragments, C libraries
///   gate ─┼─ burst         room for what comes without being announced
///         ├─ unreserved    allocated, and reserved by nobody
///         └─ allowance     what execution and storage may hold of all this
/// ```
///
/// Every 5 ms, and when the allocator reaches the gate, the loop measures what is resident and allocated and
/// moves gate and allowance. What is above the nominal sizes of the pools is lent to execution, if lending is on. When
/// memory is short it goes through these steps, each counted in [`Steps`]:
///
/// 1. no more is granted (the allowance), so that operators that can spill do;
/// 2. the allocator gives freed pages back;
/// 3. lent memory is taken back: nothing of it is granted until it was returned;
/// 4. cached blocks are evicted, as far as execution may;
/// 5. operators that sit idle are made to spill;
/// 6. scans are held back;
/// 7. large allocations go to disk, small ones wait;
/// 8. when threads have waited for more than a second, the query that holds most is ended.
///
/// Nobody waits for ever while holding memory: scans and allocations that are held back go on after a time, and what a
/// waiting thread holds is freed by the end of its query if by nothing else.
pub struct Pressure {
    meter: Meter,
    shared: Arc<Shared>,
}

struct Shared {
    memory: Arc<UnifiedMemory>,
    line: AtomicU64,
    lending: AtomicBool,
    counts: Counts,
    /// Allocated before anything ran.
    engine: u64,
    unified: AtomicU64,
    user: AtomicU64,
}

impl Pressure {
    /// Starts to keep `memory` and the process to these bounds, as long as it lives. Without a
    /// [`CountingAllocator`](crate::CountingAllocator) in the process it measures and changes nothing: memory that the
    /// program around it holds could not be told from its own.
    ///
    /// # Errors
    /// If this system does not say what is resident, or no thread can be started.
    pub fn start(memory: Arc<UnifiedMemory>, bounds: Bounds) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            memory,
            line: AtomicU64::new(bounds.line),
            lending: AtomicBool::new(bounds.lending),
            counts: Counts::default(),
            engine: account::live(),
            unified: AtomicU64::new(0),
            user: AtomicU64::new(0),
        });
        let reclaimer = start_reclaimer(&shared)?;
        let watcher = Loop {
            shared: Arc::clone(&shared),
            reclaimer,
            unreserved: 0,
            overhead: None,
            short_since: None,
            purged: Instant::now(),
            is_held: false,
        };
        let meter = Meter::start_with(Some(Box::new(watcher)))?;
        Ok(Self { meter, shared })
    }

    /// Changes the bounds of a running process.
    pub fn set(&self, bounds: Bounds) {
        self.shared.line.store(bounds.line, Ordering::Relaxed);
        self.shared.lending.store(bounds.lending, Ordering::Relaxed);
    }

    /// Where large allocations go that do not fit under the line. The first directory named to a process is used; it must
    /// not be on a file system in memory.
    ///
    /// # Errors
    /// If the file system there has no sparse files, or is full.
    pub fn overflow_into(&self, directory: &Path) -> io::Result<()> {
        overflow::open(directory)
    }

    /// What is held, and was held at peak.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What each part of the line held at most, measured; all 0 where nobody counts.
    pub fn part_peaks(&self) -> PartPeaks {
        PartPeaks {
            engine: self.shared.engine,
            unified: self.shared.unified.load(Ordering::Relaxed),
            user: self.shared.user.load(Ordering::Relaxed),
        }
    }

    /// What was done so far to stay under the line.
    pub fn steps(&self) -> Steps {
        let counts = &self.shared.counts;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Steps {
            purges: get(&PURGES),
            taken_back: get(&counts.taken_back),
            evicted: get(&counts.evicted),
            reclaimed: get(&counts.reclaimed),
            held_back: get(&counts.held_back),
            overflowed: overflow::usage().total,
            waits: account::waits(),
            cancelled: get(&counts.cancelled),
        }
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        // The next engine of this process moves it to where its line is.
        account::set_gate(u64::MAX);
        account::set_resident_most(u64::MAX);
    }
}

/// A thread that makes operators spill, which takes longer than the time between two samples.
fn start_reclaimer(shared: &Arc<Shared>) -> io::Result<SyncSender<u64>> {
    let (wanted, wishes) = sync_channel(0);
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("memory-reclaim".into())
        .spawn(move || {
            while let Ok(bytes) = wishes.recv() {
                shared.reclaim(bytes);
            }
        })?;
    Ok(wanted)
}

impl Shared {
    /// Evicts blocks, and then takes memory back from the tasks that can give most.
    fn reclaim(&self, bytes: u64) {
        let evicted = self.memory.evict(bytes);
        count(&self.counts.evicted, evicted);
        let mut wanted = bytes.saturating_sub(evicted);
        let mut tasks = self.memory.tasks();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.reclaimable()));
        for task in tasks {
            if wanted == 0 {
                break;
            }
            let freed = task.reclaim(wanted);
            count(&self.counts.reclaimed, freed);
            wanted = wanted.saturating_sub(freed);
        }
    }
}

/// What grows between two samples, and what the kernel keeps for the process (page tables).
fn margin(line: u64) -> u64 {
    (line / 24).clamp(7 * MIB, 64 * MIB)
}

/// Room for the pages of allocations that are on disk: a container's limit counts them too, and the kernel ends the process
/// if it cannot write them out fast enough to make room for the next.
fn room_for_overflow(line: u64, overflow: u64) -> u64 {
    overflow.min((line / 8).clamp(12 * MIB, 128 * MIB))
}

/// The most that large allocations may take on disk: beyond it the process would do little but wait for their
/// pages, and the kernel may not get them out in time.
fn most_overflow(line: u64) -> u64 {
    line.saturating_mul(4)
}

/// What may be allocated at once without being announced.
fn burst(line: u64) -> u64 {
    (line / 16).clamp(8 * MIB, 128 * MIB)
}

/// The larger of a figure and what is left of earlier ones, which fades by half in about 0.2 s.
fn recent_most(before: u64, now: u64) -> u64 {
    now.max(before - before.saturating_sub(now) / 64)
}

struct Loop {
    shared: Arc<Shared>,
    reclaimer: SyncSender<u64>,
    /// Allocated and reserved by nobody, lately at most.
    unreserved: u64,
    /// Resident beyond what was allocated, when the allocator kept nothing that was freed: at the beginning,
    /// and after a purge.
    overhead: Option<u64>,
    /// Since when threads wait at the gate.
    short_since: Option<Instant>,
    purged: Instant,
    is_held: bool,
}

impl Watcher for Loop {
    fn sampled(&mut self, sample: Sample) {
        let line = self
            .shared
            .line
            .load(Ordering::Relaxed)
            .saturating_sub(sample.children);
        let own = sample.resident - sample.children;
        let allocated = sample.allocated;
        if allocated == 0 {
            return;
        }
        let overhead = self.purge_if_due(line, own, allocated);
        let usable = line
            .saturating_sub(margin(line))
            .saturating_sub(room_for_overflow(line, sample.overflow));
        let gate = match own > line.saturating_sub(margin(line) / 2) {
            // The pages are there already, whatever was counted.
            true => allocated.min(usable.saturating_sub(overhead)),
            false => usable.saturating_sub(overhead),
        };
        account::set_gate(gate);
        account::set_resident_most(usable);
        let in_use = self.shared.memory.in_use();
        self.note_parts(allocated, in_use);
        // No more than is allocated now: what was just freed is off the operators' books before it is off these.
        self.unreserved =
            recent_most(self.unreserved, allocated.saturating_sub(in_use)).min(allocated);
        let allowance = gate
            .saturating_sub(self.unreserved)
            .saturating_sub(burst(line));
        self.allow(allowance, in_use);
        self.hold_back(allocated.saturating_add(burst(line) / 4) > gate);
        if sample.overflow > most_overflow(self.shared.line.load(Ordering::Relaxed)) {
            self.end_most_on_disk();
        }
        self.end_a_query_if_stuck();
    }
}

impl Loop {
    fn note_parts(&self, allocated: u64, in_use: u64) {
        let shared = &self.shared;
        let user = allocated.saturating_sub(in_use + shared.engine);
        shared.unified.fetch_max(in_use, Ordering::Relaxed);
        shared.user.fetch_max(user, Ordering::Relaxed);
    }

    /// Makes the allocator give back what it kept, when that takes the process near the line, and returns what is
    /// resident beyond the allocated and no one's to give.
    fn purge_if_due(&mut self, line: u64, own: u64, allocated: u64) -> u64 {
        let beyond = own.saturating_sub(allocated);
        let overhead = match self.overhead {
            None => beyond,
            // It was less all along, or becomes so slowly.
            Some(before) => before - before.saturating_sub(beyond) / 64,
        };
        self.overhead = Some(overhead);
        let kept = beyond.saturating_sub(overhead);
        let is_near = own.saturating_add(burst(line)) > line;
        let pause = match own.saturating_add(margin(line)) > line {
            true => BETWEEN_URGENT_PURGES,
            false => BETWEEN_PURGES,
        };
        if !is_near || kept < margin(line) / 4 || self.purged.elapsed() < pause {
            return overhead;
        }
        purge();
        self.purged = Instant::now();
        let left = ResidentMemory::read()
            .map_or(overhead, |now| now.line().saturating_sub(account::live()));
        self.overhead = Some(left);
        left
    }

    /// Moves what execution and storage may hold, and takes back what they hold above it.
    fn allow(&self, allowance: u64, in_use: u64) {
        let memory = &self.shared.memory;
        memory.set_allowance(allowance);
        let nominal: u64 = [MemoryMode::OnHeap, MemoryMode::OffHeap]
            .map(|mode| memory.size(mode))
            .iter()
            .sum();
        let is_lending = self.shared.lending.load(Ordering::Relaxed) && !memory.runs_user_code();
        let lendable = match is_lending {
            true => allowance.saturating_sub(nominal),
            false => 0,
        };
        let lent = memory.size(MemoryMode::Lent);
        if lent.abs_diff(lendable) >= MIB || lendable == 0 && lent > 0 {
            let was_used = memory.pools(MemoryMode::Lent).execution_used > lendable;
            count(&self.shared.counts.taken_back, was_used.into());
            memory.lend(lendable);
        }
        if let over @ 1.. = in_use.saturating_sub(allowance) {
            // It is at work already if it does not take the wish.
            let _ = self.reclaimer.try_send(over);
        }
    }

    fn hold_back(&mut self, hold: bool) {
        if hold != self.is_held {
            self.is_held = hold;
            count(&self.shared.counts.held_back, hold.into());
            self.shared.memory.hold_back(hold);
        }
    }

    /// Ends the query that holds most when threads have waited too long for memory that nobody frees.
    fn end_a_query_if_stuck(&mut self) {
        if account::waiting() == 0 {
            self.short_since = None;
            return;
        }
        let since = *self.short_since.get_or_insert_with(Instant::now);
        if since.elapsed() < PATIENCE {
            return;
        }
        self.short_since = None;
        let tasks = self.shared.memory.tasks();
        let largest = tasks
            .iter()
            .filter(|task| !task.is_cancelled())
            .max_by_key(|task| task.allocated());
        if let Some(task) = largest {
            self.end(task, self.reason(task));
        }
    }

    /// Ends the query that has most on disk, unless one was told to end and has not yet.
    fn end_most_on_disk(&self) {
        let line = self.shared.line.load(Ordering::Relaxed);
        let tasks = self.shared.memory.tasks();
        if tasks.iter().any(|task| task.is_cancelled()) {
            return;
        }
        let on_disk = tasks.iter().filter(|task| task.on_disk() > 0);
        if let Some(task) = on_disk.max_by_key(|task| task.on_disk()) {
            let size = |bytes: u64| datafusion_common::human_readable_size(bytes as usize);
            let (on_disk, line) = (size(task.on_disk()), size(line));
            self.end(
                task,
                format!(
                    "the query holds {on_disk} in single pieces too large for the line of {line}: they were put on disk, but they are more than can be worked with there, and it was ended"
                ),
            );
        }
    }

    fn end(&self, task: &TaskMemory, reason: String) {
        count(&self.shared.counts.cancelled, 1);
        task.cancel(reason);
    }

    fn reason(&self, task: &TaskMemory) -> String {
        let size = |bytes: u64| datafusion_common::human_readable_size(bytes as usize);
        let line = self.shared.line.load(Ordering::Relaxed);
        let holders: Vec<String> = task
            .holders()
            .iter()
            .take(3)
            .map(|holder| format!("{} {}", holder.consumer, size(holder.bytes)))
            .collect();
        format!(
            "the process has come to its line of {}: {} are allocated, and this query, which was ended, holds most of it: {} reserved{}{} and {} that no operator reserved",
            size(line),
            size(account::live()),
            size(task.usage().held),
            if holders.is_empty() { "" } else { " by " },
            holders.join(", "),
            size(task.unreserved()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_follow_the_line() {
        assert_eq!(margin(240 * MIB), 10 * MIB);
        assert_eq!(margin(64 << 30), 64 * MIB);
        assert_eq!(burst(256 * MIB), 16 * MIB);
        assert_eq!(room_for_overflow(256 * MIB, 1 << 40), 32 * MIB);
        assert_eq!(room_for_overflow(256 * MIB, 0), 0);
    }

    #[test]
    fn a_recent_burst_fades() {
        let mut most = recent_most(0, 640);
        assert_eq!(most, 640);
        most = recent_most(most, 0);
        assert_eq!(most, 630);
        for _ in 0..200 {
            most = recent_most(most, 0);
        }
        assert!(most < 100, "{most}");
    }
}
