//! An engine at rest gives back what its threads keep of freed memory.
//!
//! jemalloc leaves each thread a cache of what it freed, which nobody but that thread can empty, and a thread that
//! sleeps does not. Pieces in such caches hold on to whole pages, and how many is a matter of which queries ran last.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use plimsoll_driver::Session;
use tokio::runtime::Handle;
use tokio::time::sleep;

/// How long a thread that reads files or spills waits for more before it ends, and its cache with it.
pub const BLOCKING: Duration = Duration::from_secs(1);

/// How long no query has run when the engine is at rest: longer than [`BLOCKING`].
const REST: Duration = Duration::from_millis(1500);

/// How often it is looked whether one runs.
const LOOK: Duration = Duration::from_millis(250);

/// How long workers wait for each other. Where one is held up by what it works at, or by what else the machine does, they
/// meet again at the next look.
const MEETING: Duration = Duration::from_millis(20);

/// How often they try in one rest.
const MEETINGS: u32 = 10;

/// Watches over an engine as long as its session and these workers live: when no query has run for a while, its
/// threads empty their caches, and freed pages go back to the system.
pub fn give_back_at_rest(workers: &Handle, control: &Handle, session: Weak<Session>) {
    let control = control.clone();
    workers.spawn(async move {
        let mut rest = Rest::new(Instant::now());
        loop {
            sleep(LOOK).await;
            let Some((begun, is_busy)) = activity(&session) else {
                return;
            };
            if rest.is_due(begun, is_busy, Instant::now()) {
                // It may not be at work, and then it does that when it is again.
                drop(control.spawn(async { plimsoll_allocator::empty_thread_cache() }));
                rest.has_met =
                    on_each_worker(MEETING, plimsoll_allocator::empty_thread_cache).await;
                plimsoll_allocator::purge();
            }
        }
    });
}

/// How many queries have begun so far, and whether one runs; `None` when the session is over.
fn activity(session: &Weak<Session>) -> Option<(u64, bool)> {
    let session = session.upgrade()?;
    let memory = session.unified_memory();
    Some((memory.tasks_begun(), !memory.tasks().is_empty()))
}

/// Whether the engine rests, and whether it has given back since it last did anything.
struct Rest {
    begun: u64,
    since: Instant,
    /// How often it has tried to give back.
    tries: u32,
    /// Whether all threads were there the last time.
    has_met: bool,
}

impl Rest {
    fn new(now: Instant) -> Self {
        Self {
            begun: 0,
            since: now,
            tries: 0,
            has_met: false,
        }
    }

    /// Whether it is time to give back: once in each rest, or until all threads have met.
    fn is_due(&mut self, begun: u64, is_busy: bool, now: Instant) -> bool {
        if is_busy || begun != self.begun {
            *self = Self::new(now);
            self.begun = begun;
            return false;
        }
        let is_due =
            !self.has_met && self.tries < MEETINGS && now.duration_since(self.since) >= REST;
        self.tries += u32::from(is_due);
        is_due
    }
}

/// Does `work` on each thread of the runtime that this is called in. None of them can be called by name, so each is
/// given a piece of work that waits until all others have one, or for `patience`; says whether all had.
async fn on_each_worker(patience: Duration, work: fn()) -> bool {
    let workers = Handle::current().metrics().num_workers();
    let missing = Arc::new((Mutex::new(workers), Condvar::new()));
    let each: Vec<_> = (0..workers)
        .map(|_| {
            let missing = Arc::clone(&missing);
            tokio::spawn(async move {
                let have_met = meet(&missing, patience);
                work();
                have_met
            })
        })
        .collect();
    let mut have_all_met = true;
    for one in each {
        // It fails when the runtime ends, and its threads with it.
        have_all_met &= one.await.unwrap_or(false);
    }
    have_all_met
}

/// Waits on this thread until nobody is missing, and says whether that is so.
fn meet((missing, told): &(Mutex<usize>, Condvar), patience: Duration) -> bool {
    let mut still = missing.lock().unwrap_or_else(PoisonError::into_inner);
    *still -= 1;
    told.notify_all();
    let waited = told.wait_timeout_while(still, patience, |still| *still > 0);
    let (still, _) = waited.unwrap_or_else(PoisonError::into_inner);
    *still == 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread::{self, ThreadId};

    use super::*;

    #[test]
    fn it_gives_back_once_in_each_rest_or_until_all_have_met() {
        let start = Instant::now();
        let after = |looks: u32| start + LOOK * looks;
        let mut rest = Rest::new(start);
        // What the start has left behind.
        assert!(!rest.is_due(0, false, after(5)));
        assert!(rest.is_due(0, false, after(6)));
        assert!(rest.is_due(0, false, after(7)));
        rest.has_met = true;
        assert!(!rest.is_due(0, false, after(8)));
        // A query that runs longer than a rest is, and one between two looks.
        assert!(!rest.is_due(1, true, after(8)));
        assert!(!rest.is_due(1, true, after(20)));
        assert!(!rest.is_due(1, false, after(25)));
        assert!(!rest.is_due(2, false, after(26)));
        assert!(!rest.is_due(2, false, after(31)));
        let tries = (32..90).filter(|looks| rest.is_due(2, false, after(*looks)));
        assert_eq!(tries.count(), MEETINGS as usize);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 5)]
    async fn each_worker_has_its_turn() {
        static SEEN: Mutex<Option<HashSet<ThreadId>>> = Mutex::new(None);
        let see = || {
            let mut seen = SEEN.lock().unwrap();
            seen.get_or_insert_default().insert(thread::current().id());
        };
        assert!(on_each_worker(Duration::from_secs(60), see).await);
        assert_eq!(SEEN.lock().unwrap().as_ref().map(HashSet::len), Some(5));
    }
}
