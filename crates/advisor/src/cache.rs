//! What would have kept cached blocks in memory.

use plimsoll_conf::settings::StorageLevel;
use plimsoll_conf::{MemoryLayout, fmt_bytes};

use crate::MOST;
use crate::advice::{Advice, Change, Promise};
use crate::evidence::{Cached, Circumstances};
use crate::line::Line;

/// What is asked for beyond what all blocks take: a process that is nearly full lets none in, and while rows are read to
/// be cached they take memory too.
const SPARE: f64 = 1.4;

/// The largest storage fraction that is advised: queries need memory too.
const MOST_FRACTION: f64 = 0.9;

/// What would have kept cached blocks in memory, most helpful first: nothing if none had to leave it. `execution` is the
/// most execution memory, in bytes, that a query would have held meanwhile, had it kept what it wrote to disk.
pub fn for_cache(
    cached: &[Cached],
    execution: u64,
    circumstances: &Circumstances<'_>,
) -> Vec<Advice> {
    let in_memory: Vec<&Cached> = cached.iter().filter(|cached| cached.level.memory).collect();
    let worst = in_memory
        .iter()
        .filter(|cached| cached.suffers() && cached.in_full > 0)
        .max_by_key(|cached| cached.in_full);
    let (Some(worst), Some(line)) = (worst, Line::of(circumstances)) else {
        return in_memory
            .into_iter()
            .find_map(in_vain)
            .into_iter()
            .collect();
    };
    let case = Case {
        full: in_memory.iter().map(|cached| cached.in_full).sum(),
        worst,
        in_memory: &in_memory,
        execution,
        line,
        most: circumstances.most().0,
    };
    let all = [
        case.uncached(),
        case.memory(),
        case.region(),
        case.serialized(),
    ];
    all.into_iter().flatten().take(MOST).collect()
}

/// No longer to cache what does not come to stay in memory, of which nobody knows how much it would take.
fn in_vain(cached: &Cached) -> Option<Advice> {
    (cached.suffers() && cached.memory == 0).then(|| Advice {
        change: Change::Uncache {
            name: cached.name.clone(),
        },
        reason: format!("{}, and nothing of it is in memory", finding(cached)),
        promise: Promise::NoEviction,
    })
}

fn finding(cached: &Cached) -> String {
    let events = [
        (cached.evictions, "evicted", "block"),
        (cached.disk_reads, "read from disk", "block"),
        (cached.recomputes, "computed again", "partition"),
    ];
    let events: Vec<String> = events
        .into_iter()
        .filter(|(times, ..)| *times > 0)
        .map(|(times, what, of)| {
            let plural = if times == 1 { "" } else { "s" };
            format!("{times} {of}{plural} {what}")
        })
        .collect();
    format!("{} had {}", cached.name, events.join(", "))
}

struct Case<'a> {
    worst: &'a Cached,
    in_memory: &'a [&'a Cached],
    /// What all would take.
    full: u64,
    execution: u64,
    line: Line<'a>,
    most: u64,
}

impl Case<'_> {
    /// Whether so many bytes of blocks stay in memory: within the storage region they do whatever queries need, and
    /// beyond it as long as nobody needs the rest.
    fn holds(&self, layout: &MemoryLayout, bytes: u64) -> bool {
        let executor = &layout.executor;
        let unified = executor.unified.bytes + executor.off_heap.bytes;
        let region = executor.storage_region.bytes + executor.off_heap_storage_region.bytes;
        let free = unified.saturating_sub(self.execution);
        region.max(free) as f64 >= bytes as f64 * SPARE
    }

    fn advice(&self, change: Change, why: &str) -> Advice {
        Advice {
            change,
            reason: format!("{}{why}", finding(self.worst)),
            promise: Promise::NoEviction,
        }
    }

    /// What nothing has read makes room for the others.
    fn uncached(&self) -> Option<Advice> {
        let unread = self.in_memory.iter().filter(|cached| {
            cached.hits == 0 && cached.memory > 0 && cached.name != self.worst.name
        });
        let unread = unread.max_by_key(|cached| cached.in_full)?;
        let rest = self.full - unread.in_full;
        self.holds(&self.line.layout, rest).then(|| {
            let why = format!(
                "; {} holds {} that nothing has read",
                unread.name,
                fmt_bytes(unread.memory)
            );
            let change = Change::Uncache {
                name: unread.name.clone(),
            };
            self.advice(change, &why)
        })
    }

    fn memory(&self) -> Option<Advice> {
        let raised = self
            .line
            .raised_until(|layout| self.holds(layout, self.full))?;
        let why = format!(
            "; all that is cached takes {} beside the {} of queries",
            fmt_bytes(self.full),
            fmt_bytes(self.execution)
        );
        (raised.line <= self.most).then(|| self.advice(raised.change, &why))
    }

    /// A larger part of unified memory that queries cannot take blocks from.
    fn region(&self) -> Option<Advice> {
        let executor = &self.line.layout.executor;
        let unified = executor.unified.bytes;
        let fraction = (self.full as f64 * SPARE / unified.max(1) as f64 * 100.0).ceil() / 100.0;
        let is_larger = unified as f64 * fraction > executor.storage_region.bytes as f64;
        (is_larger && fraction <= MOST_FRACTION).then(|| {
            let why = format!(
                "; all that is cached takes {}, and {} are safe from queries",
                fmt_bytes(self.full),
                fmt_bytes(executor.storage_region.bytes)
            );
            let change = Change::Set {
                key: "spark.memory.storageFraction".to_owned(),
                value: fraction.to_string(),
                option: None,
            };
            self.advice(change, &why)
        })
    }

    fn serialized(&self) -> Option<Advice> {
        let worst = self.worst;
        let rest = self.full - worst.in_full;
        let is_smaller = worst.level.deserialized && worst.serialized > 0;
        (is_smaller && self.holds(&self.line.layout, rest + worst.serialized)).then(|| {
            let why = format!(
                ", and takes {}; serialized it takes {}",
                fmt_bytes(worst.in_full),
                fmt_bytes(worst.serialized)
            );
            let level = StorageLevel {
                deserialized: false,
                ..worst.level
            };
            let change = Change::StorageLevel {
                name: worst.name.clone(),
                level: level.to_string(),
            };
            self.advice(change, &why)
        })
    }
}
