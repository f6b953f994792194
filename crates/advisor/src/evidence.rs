use plimsoll_conf::settings::StorageLevel;
use plimsoll_conf::{Conf, Machine};

/// What settings a run had, and what there is to be had.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// The settings in force.
    pub conf: &'a Conf,
    /// The machine.
    pub machine: &'a Machine,
    /// The line that cannot be raised, in bytes, where sessions of a server share it.
    pub ceiling: Option<u64>,
}

impl Circumstances<'_> {
    /// The most that a line can be here, and why.
    pub(crate) fn most(&self) -> (u64, &'static str) {
        let machine = (self.machine.physical_memory, "the machine has");
        let container = self.machine.container.as_ref();
        let container = container.map(|limit| (limit.bytes, "the container has"));
        let server = self.ceiling.map(|line| (line, "the server was given"));
        [container, server]
            .into_iter()
            .flatten()
            .fold(machine, |a, b| if b.0 < a.0 { b } else { a })
    }
}

/// What was seen of a query. Sizes are in bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryEvidence {
    /// The operators that wrote to disk, most bytes first.
    pub spills: Vec<Spill>,
    /// The most that it would have held at once, had none of that gone to disk.
    pub peak_demand: u64,
    /// The execution memory with which none of that would have been refused.
    pub ample: u64,
    /// The execution memory that it could have held when it was refused some, if it was.
    pub limit: Option<u64>,
    /// Whether what the process allocates is counted: where it is not, nothing is lent to queries, and nothing is held back.
    pub is_counted: bool,
    /// Whether functions of the user's ran in it, so that nothing was lent to it.
    pub ran_user_code: bool,
    /// Whether rows were exchanged between threads: an exchange holds what one of them was not ready to take, which is
    /// more where there is more room.
    pub has_exchange: bool,
    /// About what exchanges would have held at once of what they wrote to disk, which they do not say.
    pub exchanged: u64,
    /// Whether it ran on fewer threads than it would with more memory.
    pub was_cut: bool,
    /// Whether it aggregated by group: on several threads groups are held before an exchange and behind it.
    pub has_groups: bool,
    /// What it failed of, if it was for lack of memory or disk.
    pub failure: Option<Failure>,
    /// What was cached while it ran.
    pub cached: Vec<Cached>,
}

/// What one operator wrote to disk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spill {
    /// Its name.
    pub operator: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// How often the same rows were written: more than once where runs are merged to runs, or partitions cut again.
    pub passes: u64,
    /// The most partitions that rows were cut into at once; 0 where none are cut.
    pub partitions: u64,
    /// The part of its rows that have one key, if that was too many to be held at once.
    pub hottest_key: Option<f64>,
}

/// What a query failed of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Failure {
    /// An operator that cannot go on without it was refused memory.
    Memory {
        /// Bytes that were missing; 0 if nothing was refused, and the query was ended because the process was full.
        lacking: u64,
        /// Bytes that it held then without an operator having reserved them, if that is what it was ended for.
        unreserved: u64,
        /// The part of the input that it had read until then, if that is known.
        read: Option<f64>,
    },
    /// There was no room for what it wrote to disk.
    Disk {
        /// The part of the input that it had read until then, if that is known.
        read: Option<f64>,
        /// Whether it was `spark.plimsoll.spill.maxSize` that left no room.
        is_set: bool,
    },
}

/// A cached plan. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// What it is called.
    pub name: String,
    /// How it is kept.
    pub level: StorageLevel,
    /// What it holds in memory.
    pub memory: u64,
    /// What it would take in memory if all of it were there; 0 if nobody knows.
    pub in_full: u64,
    /// The same at a serialized level; 0 if nobody knows.
    pub serialized: u64,
    /// How often a partition was read that was there.
    pub hits: u64,
    /// Blocks that had to leave memory.
    pub evictions: u64,
    /// Blocks read from disk.
    pub disk_reads: u64,
    /// Partitions computed again.
    pub recomputes: u64,
}

impl Cached {
    /// Whether it cost something that it was not in memory.
    pub(crate) fn suffers(&self) -> bool {
        self.level.memory && self.evictions + self.disk_reads + self.recomputes > 0
    }
}
