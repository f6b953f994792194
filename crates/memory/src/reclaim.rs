use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// An operator that can give memory back while it is not the one asking for it: the build side of a
/// join that waits for its probe side, say.
///
/// A DataFusion [`MemoryPool`](datafusion_execution::memory_pool::MemoryPool) can refuse a consumer
/// that asks, and so make it spill, but cannot reach one that holds memory and asks for nothing. An
/// operator that [offers](crate::TaskMemory::offer) this can be reached. Velox's
/// `MemoryReclaimer` has the same two methods.
///
/// # Why this cannot deadlock
///
/// Nobody holds a lock of the memory manager or of a task while it calls [`reclaim`](Self::reclaim),
/// and an operator must not wait in it for a lock that its owner may hold while *it* asks for
/// memory: it tries the lock and answers 0 when it is taken, since an operator that is at work is
/// not idle. So of two operators that ask at once, each finds the other busy, both are refused,
/// and both spill what is their own.
pub trait Reclaim: Send + Sync {
    /// Bytes it could free now, an estimate.
    fn reclaimable(&self) -> u64;

    /// Frees at least `bytes` if it can, by writing to disk, shrinks its reservation by what it freed,
    /// and returns that. Runs on a thread that is not the operator's, and may block on the disk.
    fn reclaim(&self, bytes: u64) -> u64;
}

/// What the consumers of one task can give back.
#[derive(Default)]
pub(crate) struct Offers {
    by_consumer: Mutex<HashMap<usize, Weak<dyn Reclaim>>>,
}

impl Offers {
    pub(crate) fn add(&self, consumer: usize, operator: Weak<dyn Reclaim>) {
        self.by_consumer.lock().insert(consumer, operator);
    }

    pub(crate) fn withdraw(&self, consumer: usize) {
        self.by_consumer.lock().remove(&consumer);
    }

    /// Bytes that all but `asking` could free, an estimate.
    pub(crate) fn reclaimable(&self) -> u64 {
        let operators = self.operators(None);
        operators
            .iter()
            .map(|operator| operator.reclaimable())
            .sum()
    }

    /// Takes `bytes` back from the operators that have most, never from `asking`, and returns what
    /// was freed.
    pub(crate) fn reclaim(&self, bytes: u64, asking: Option<usize>) -> u64 {
        let mut operators: Vec<_> = self
            .operators(asking)
            .into_iter()
            .map(|operator| (operator.reclaimable(), operator))
            .filter(|(bytes, _)| *bytes > 0)
            .collect();
        operators.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut freed = 0;
        for (_, operator) in operators {
            if freed >= bytes {
                break;
            }
            freed += operator.reclaim(bytes - freed);
        }
        freed
    }

    /// The operators that are still there, taken out of the lock: they may withdraw meanwhile.
    fn operators(&self, but_not: Option<usize>) -> Vec<Arc<dyn Reclaim>> {
        let mut offers = self.by_consumer.lock();
        offers.retain(|_, operator| operator.strong_count() > 0);
        offers
            .iter()
            .filter(|(consumer, _)| Some(**consumer) != but_not)
            .filter_map(|(_, operator)| operator.upgrade())
            .collect()
    }
}

impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offers({})", self.by_consumer.lock().len())
    }
}
