//! What this process has allocated, and the gate that it may not allocate past.
//!
//! Filled by [`CountingAllocator`](crate::CountingAllocator); without it as the global allocator nothing is
//! counted and nothing is gated.
//!
//! Each thread counts for itself and hands its sum on every [`STEP`] bytes, so that an allocation costs
//! an addition. What it hands on is credited to the process, and to the task that the thread is at
//! work for. A thread whose sum takes the process past the gate waits there, before it has touched the
//! memory, for others to free some: growth of a few milliseconds is what the control loop needs to act.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::{pressure, resident};

/// Bytes that a thread allocates or frees before it tells the process, at most.
const STEP: i64 = 64 << 10;

/// How long a thread waits at the gate before it is let through, whatever comes of it: nobody who could
/// free memory may need what this thread holds.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long it waits when the task that it is at work for is to end: the sooner it comes to where it hears of that, the
/// sooner all that the task holds is free.
const LAST_WAIT: Duration = Duration::from_millis(2);

/// How often a waiting thread looks whether it may go on.
const LOOK: Duration = Duration::from_millis(1);

/// Bytes allocated and not freed. May be a few steps off, and below 0 for a moment.
static LIVE: AtomicI64 = AtomicI64::new(0);
/// The most `LIVE` was.
static PEAK: AtomicI64 = AtomicI64::new(0);
/// What `LIVE` may come to.
static GATE: AtomicI64 = AtomicI64::new(i64::MAX);
/// Threads that wait at the gate now.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// How often a thread had to wait.
static WAITS: AtomicU64 = AtomicU64::new(0);
/// Who is to be woken when the gate is reached.
static WATCHER: OnceLock<Thread> = OnceLock::new();

/// What the polls of one task have allocated and not freed, in bytes.
#[derive(Debug, Default)]
pub(crate) struct TaskAccount {
    live: AtomicI64,
    /// As `live`, of large allocations that are on disk.
    overflow: AtomicI64,
    is_ending: AtomicBool,
}

impl TaskAccount {
    /// Memory that the task passed on to others makes it too large, memory that it was given and
    /// freed too small.
    pub(crate) fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed).max(0) as u64
    }

    /// As [`live`](Self::live), of large allocations that are on disk.
    pub(crate) fn overflow(&self) -> u64 {
        self.overflow.load(Ordering::Relaxed).max(0) as u64
    }

    /// Says whether the task is to end.
    pub(crate) fn set_ending(&self, is_ending: bool) {
        self.is_ending.store(is_ending, Ordering::Relaxed);
    }
}

struct Local {
    /// Bytes allocated less bytes freed since the thread last told the process.
    untold: Cell<i64>,
    /// The account of the task that the thread is at work for, or null.
    task: Cell<*const TaskAccount>,
    /// Whether the gate is open for this thread at any time.
    is_exempt: Cell<bool>,
}

impl Local {
    fn task(&self) -> Option<&TaskAccount> {
        // SAFETY: null, or set by `Entered`, which borrows the account until it has taken it out again.
        unsafe { self.task.get().as_ref() }
    }
}

thread_local! {
    // Needs no initialisation and no destructor, so it can be used inside an allocator and at a
    // thread's end.
    static LOCAL: Local = const {
        Local {
            untold: Cell::new(0),
            task: Cell::new(ptr::null()),
            is_exempt: Cell::new(false),
        }
    };
}

/// Bytes allocated and not freed.
pub(crate) fn live() -> u64 {
    LIVE.load(Ordering::Relaxed).max(0) as u64
}

/// The most bytes that were allocated at once.
pub(crate) fn peak() -> u64 {
    PEAK.load(Ordering::Relaxed).max(0) as u64
}

/// How often a thread had to wait at the gate.
pub(crate) fn waits() -> u64 {
    WAITS.load(Ordering::Relaxed)
}

/// Threads that wait at the gate now.
pub(crate) fn waiting() -> usize {
    WAITING.load(Ordering::Relaxed)
}

/// Moves the gate.
pub(crate) fn set_gate(bytes: u64) {
    GATE.store(bytes.min(i64::MAX as u64) as i64, Ordering::Relaxed);
}

/// Whether `bytes` more are past the gate, for a thread that it is there for.
pub(crate) fn is_past_gate(bytes: usize) -> bool {
    let live = LIVE.load(Ordering::Relaxed);
    live.saturating_add(bytes as i64) > GATE.load(Ordering::Relaxed)
        && !LOCAL.with(|local| local.is_exempt.get())
}

/// What may be resident, in bytes, as large allocations see it.
static RESIDENT_MOST: AtomicU64 = AtomicU64::new(u64::MAX);

/// Moves what may be resident.
pub(crate) fn set_resident_most(bytes: u64) {
    RESIDENT_MOST.store(bytes, Ordering::Relaxed);
}

/// Whether `bytes` more cannot become resident, or are so many that they would leave the rest too little: a quarter
/// or more must leave a quarter. What comes after them may have to go to disk, and pages of it have to be in memory to be
/// worked with. A large allocation asks the kernel, which takes no longer than touching a few of its
/// pages: pages that the allocator keeps of what was freed since the last look are on nobody's books.
pub(crate) fn is_past_line(bytes: usize) -> bool {
    let most = RESIDENT_MOST.load(Ordering::Relaxed);
    if most == u64::MAX || LOCAL.with(|local| local.is_exempt.get()) {
        return false;
    }
    let most = if bytes as u64 >= most / 4 {
        most - most / 4
    } else {
        most
    };
    let is_past =
        || resident::anonymous().is_some_and(|now| now.saturating_add(bytes as u64) > most);
    if !is_past() {
        return false;
    }
    pressure::purge();
    is_past()
}

/// Makes this thread the one that is woken when the gate is reached, and lets it pass at any time.
pub(crate) fn watch_from_this_thread() {
    LOCAL.with(|local| local.is_exempt.set(true));
    // One thread watches a process; a second session's learns of the gate at its next look.
    let _ = WATCHER.set(thread::current());
}

/// Books `bytes` that were allocated, or freed if below 0.
#[inline]
pub(crate) fn book(bytes: i64) {
    LOCAL.with(|local| {
        let untold = local.untold.get() + bytes;
        local.untold.set(untold);
        if untold.abs() >= STEP {
            tell(local);
        }
    });
}

/// Books `bytes` that were allocated on disk, or freed there if below 0.
pub(crate) fn book_overflow(bytes: i64) {
    LOCAL.with(|local| {
        if let Some(task) = local.task() {
            task.overflow.fetch_add(bytes, Ordering::Relaxed);
        }
    });
}

#[cold]
fn tell(local: &Local) {
    let bytes = local.untold.replace(0);
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    let task = local.task();
    if let Some(task) = task {
        task.live.fetch_add(bytes, Ordering::Relaxed);
    }
    if bytes > 0 {
        if live > PEAK.load(Ordering::Relaxed) {
            PEAK.fetch_max(live, Ordering::Relaxed);
        }
        if live > GATE.load(Ordering::Relaxed) && !local.is_exempt.get() {
            wait_at_gate(task);
        }
    }
}

/// Waits until the process is below the gate, or long enough. Allocates nothing.
fn wait_at_gate(task: Option<&TaskAccount>) {
    WAITING.fetch_add(1, Ordering::Relaxed);
    WAITS.fetch_add(1, Ordering::Relaxed);
    if let Some(watcher) = WATCHER.get() {
        watcher.unpark();
    }
    let mut waited = Duration::ZERO;
    let longest = || match task.is_some_and(|task| task.is_ending.load(Ordering::Relaxed)) {
        true => LAST_WAIT,
        false => LONGEST_WAIT,
    };
    while LIVE.load(Ordering::Relaxed) > GATE.load(Ordering::Relaxed) && waited < longest() {
        thread::sleep(LOOK);
        waited += LOOK;
    }
    WAITING.fetch_sub(1, Ordering::Relaxed);
}

/// This thread at work for a task, until it is dropped.
pub(crate) struct Entered<'a> {
    before: *const TaskAccount,
    _task: &'a TaskAccount,
}

impl<'a> Entered<'a> {
    pub(crate) fn new(task: &'a Arc<TaskAccount>) -> Self {
        let before = switch(Arc::as_ptr(task));
        Self {
            before,
            _task: task,
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        switch(self.before);
    }
}

/// The account of the task that this thread is at work for.
pub(crate) fn current() -> Option<Arc<TaskAccount>> {
    let task = LOCAL.with(|local| local.task.get());
    if task.is_null() {
        return None;
    }
    // SAFETY: `Entered` took the pointer from an `Arc` that it borrows until it takes the pointer out.
    unsafe {
        Arc::increment_strong_count(task);
        Some(Arc::from_raw(task))
    }
}

/// Tells the process what this thread did for one task before it is at work for another.
fn switch(to: *const TaskAccount) -> *const TaskAccount {
    LOCAL.with(|local| {
        if local.task.get() == to {
            return to;
        }
        let bytes = local.untold.replace(0);
        LIVE.fetch_add(bytes, Ordering::Relaxed);
        let from = local.task.replace(to);
        if !from.is_null() {
            // SAFETY: as in `tell`; `from` is still entered, further out.
            unsafe { &*from }.live.fetch_add(bytes, Ordering::Relaxed);
        }
        from
    })
}
