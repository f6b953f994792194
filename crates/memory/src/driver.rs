//! What the driver holds beside the queries that run: results that are being collected, broadcasts that are being built,
//! and what is remembered of past work.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

/// What the driver holds memory for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverUse {
    /// Results of actions such as `collect`, until whoever asked has them.
    Results,
    /// The small sides of broadcast joins while they are built.
    Broadcasts,
    /// What is remembered of jobs: plans and the records of queries that are over.
    Metadata,
}

/// What the driver holds for one use, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Now.
    pub now: u64,
    /// At most, so far.
    pub peak: u64,
}

/// What the driver holds, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DriverUsage {
    /// What it may hold: `spark.driver.memory`, or user memory where driver and executor share one pool.
    pub limit: u64,
    /// All uses together.
    pub total: Held,
    /// Results that are being collected.
    pub results: Held,
    /// Broadcasts that are being built.
    pub broadcasts: Held,
    /// What is remembered of jobs.
    pub metadata: Held,
}

impl DriverUsage {
    /// What it may still take, in bytes.
    pub fn free(&self) -> u64 {
        self.limit.saturating_sub(self.total.now)
    }

    fn of(&mut self, what: DriverUse) -> &mut Held {
        match what {
            DriverUse::Results => &mut self.results,
            DriverUse::Broadcasts => &mut self.broadcasts,
            DriverUse::Metadata => &mut self.metadata,
        }
    }

    fn add(&mut self, what: DriverUse, bytes: u64) {
        self.of(what).add(bytes);
        self.total.add(bytes);
    }

    fn remove(&mut self, what: DriverUse, bytes: u64) {
        self.of(what).now -= bytes;
        self.total.now -= bytes;
    }
}

impl Held {
    fn add(&mut self, bytes: u64) {
        self.now += bytes;
        self.peak = self.peak.max(self.now);
    }
}

/// The driver's part of the line, and who holds what of it.
///
/// Spark's driver has a heap of `spark.driver.memory` bytes and no books: what does not fit is an `OutOfMemoryError`. Here who
/// holds something asks first, and does without if there is no room: rows go by way of disk, a broadcast join becomes a
/// partitioned one, old records are forgotten.
#[derive(Debug, Default)]
pub struct DriverMemory {
    usage: Mutex<DriverUsage>,
}

impl DriverMemory {
    /// The driver's part, of `limit` bytes.
    pub fn new(limit: u64) -> Arc<Self> {
        let usage = DriverUsage {
            limit,
            ..DriverUsage::default()
        };
        Arc::new(Self {
            usage: Mutex::new(usage),
        })
    }

    /// Makes it `limit` bytes large. What is held stays; while that is more, nothing is granted.
    pub fn set_limit(&self, limit: u64) {
        self.usage.lock().limit = limit;
    }

    /// What is held, by use.
    pub fn usage(&self) -> DriverUsage {
        *self.usage.lock()
    }

    /// An account without a byte on it.
    pub fn account(self: &Arc<Self>, what: DriverUse) -> DriverAccount {
        DriverAccount {
            memory: Arc::clone(self),
            what,
            held: 0,
        }
    }
}

/// What one holder has of the driver's part. It is given back when this is dropped.
#[derive(Debug)]
pub struct DriverAccount {
    memory: Arc<DriverMemory>,
    what: DriverUse,
    held: u64,
}

impl DriverAccount {
    /// Takes `bytes` more if they are free, and says whether they were.
    #[must_use]
    pub fn try_grow(&mut self, bytes: u64) -> bool {
        let mut usage = self.memory.usage.lock();
        let fits = bytes <= usage.free();
        if fits {
            usage.add(self.what, bytes);
            self.held += bytes;
        }
        fits
    }

    /// Takes `bytes` more, free or not: for what is there already and cannot be done without.
    pub fn grow(&mut self, bytes: u64) {
        self.memory.usage.lock().add(self.what, bytes);
        self.held += bytes;
    }

    /// Gives back `bytes`, or all there is if that is less.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.held);
        self.memory.usage.lock().remove(self.what, bytes);
        self.held -= bytes;
    }

    /// Whether the driver's part has nothing left to grant, whoever holds it.
    pub fn is_full(&self) -> bool {
        self.memory.usage.lock().free() == 0
    }

    /// What is on it, in bytes.
    pub fn held(&self) -> u64 {
        self.held
    }
}

impl Drop for DriverAccount {
    fn drop(&mut self) {
        self.shrink(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_granted_and_comes_back_when_its_holder_is_gone() {
        let driver = DriverMemory::new(100);
        let mut results = driver.account(DriverUse::Results);
        let mut metadata = driver.account(DriverUse::Metadata);
        assert!(results.try_grow(60) && !metadata.try_grow(41));
        metadata.grow(50);
        assert_eq!(driver.usage().free(), 0);
        assert!(!results.try_grow(1) && results.is_full());
        metadata.shrink(u64::MAX);
        assert!(results.try_grow(40));
        driver.set_limit(10);
        assert!(!metadata.try_grow(1));
        drop(results);
        assert!(metadata.try_grow(10));
        let usage = driver.usage();
        assert_eq!((usage.results.now, usage.results.peak), (0, 100));
        assert_eq!((usage.metadata.now, usage.metadata.peak), (10, 50));
        assert_eq!((usage.total.now, usage.total.peak), (10, 110));
    }
}
