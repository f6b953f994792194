//! From bytes that are needed to the setting that gives them, in the terms in which the line was set.

use plimsoll_conf::settings::LineRequest;
use plimsoll_conf::size::spell_bytes;
use plimsoll_conf::{Conf, Machine, MemoryLayout, Origin, Settings};

use crate::advice::Change;
use crate::evidence::Circumstances;

const MIB: u64 = 1 << 20;

const LINE: &str = "spark.plimsoll.memory";
const DRIVER: &str = "spark.driver.memory";
const EXECUTOR: &str = "spark.executor.memory";

/// Of a byte that the line is raised by, what execution gets where it is lent what nobody uses. The rest is
/// what the process keeps free, and what comes to be allocated beside more memory.
const LENT_OF_RAISED: f64 = 0.88;

/// A setting that was raised, or that would have to be raised further than it can be.
pub(crate) struct Raised {
    pub(crate) change: Change,
    /// The line that it makes.
    pub(crate) line: u64,
}

/// What bounds the execution memory of a query.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// The sizes of the layout: nobody counts what is allocated.
    Nominal,
    /// What the process has left: what nobody uses of the line is lent to it.
    Process,
    /// The less of the two.
    Both,
}

/// The line as it is set, and what is known of the execution memory that it gave.
pub(crate) struct Line<'a> {
    conf: &'a Conf,
    /// A machine with any amount of memory, so that what a setting would come to can be seen before it is judged.
    boundless: Machine,
    key: &'static str,
    value: u64,
    option: Option<String>,
    pub(crate) layout: MemoryLayout,
}

impl<'a> Line<'a> {
    /// `None` if the settings are impossible, which those of a run are not.
    pub(crate) fn of(circumstances: &Circumstances<'a>) -> Option<Self> {
        let settings = circumstances.conf.settings().ok()?;
        let layout = MemoryLayout::new(&settings, circumstances.machine).ok()?;
        let (key, value, origin) = raised_by(&settings, &layout);
        let option = match origin {
            Origin::Option(option) => Some(option),
            _ if key == LINE => Some("--memory".to_owned()),
            _ => None,
        };
        Some(Self {
            conf: circumstances.conf,
            boundless: Machine {
                physical_memory: u64::MAX / 2,
                container: None,
                ..circumstances.machine.clone()
            },
            key,
            value,
            option,
            layout,
        })
    }

    /// The layout if the setting had this value.
    fn with(&self, value: u64) -> Option<MemoryLayout> {
        let mut conf = self.conf.clone();
        conf.set(self.key, &spell_bytes(value), Origin::Set).ok()?;
        MemoryLayout::new(&conf.settings().ok()?, &self.boundless).ok()
    }

    /// The smallest value, in round numbers, whose layout suffices.
    pub(crate) fn raised_until(&self, suffices: impl Fn(&MemoryLayout) -> bool) -> Option<Raised> {
        let suffices_at = |value: u64| self.with(value).is_some_and(|layout| suffices(&layout));
        let (mut low, mut high) = (self.value / MIB, (self.value / MIB).max(1) * 2);
        while !suffices_at(high * MIB) {
            low = high;
            high = high.checked_mul(2).filter(|high| *high < 1 << 36)?;
        }
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            match suffices_at(middle * MIB) {
                true => high = middle,
                false => low = middle,
            }
        }
        let value = rounded_up(high * MIB);
        Some(Raised {
            change: Change::Set {
                key: self.key.to_owned(),
                value: format!("{}m", value / MIB),
                option: self.option.clone(),
            },
            line: self.with(value)?.line.bytes,
        })
    }

    /// The setting that makes the line so many times what it is.
    pub(crate) fn times(&self, factor: f64) -> Option<Raised> {
        let line = (self.layout.line.bytes as f64 * factor) as u64;
        self.raised_until(|layout| layout.line.bytes >= line)
    }

    /// The setting with which a query may hold `need` bytes of execution memory. `limit` is what it could hold with the
    /// line as it is, and `stored` what cached blocks held then.
    pub(crate) fn for_execution(
        &self,
        need: u64,
        limit: Option<u64>,
        bound: Bound,
        stored: u64,
    ) -> Option<Raised> {
        let now = nominal(&self.layout, stored);
        let seen = limit.unwrap_or(now);
        self.raised_until(|layout| {
            let nominal = nominal(layout, stored);
            let more = layout.line.bytes.saturating_sub(self.layout.line.bytes);
            let from_seen = seen + (more as f64 * LENT_OF_RAISED) as u64;
            let expected = match bound {
                Bound::Nominal => nominal,
                Bound::Process => from_seen,
                Bound::Both => nominal.min(from_seen),
            };
            expected >= need
        })
    }
}

/// The execution memory that a layout gives beside so many bytes of cached blocks, lent memory apart.
pub(crate) fn nominal(layout: &MemoryLayout, stored: u64) -> u64 {
    let executor = &layout.executor;
    let unified = executor.unified.bytes + executor.off_heap.bytes;
    let region = executor.storage_region.bytes + executor.off_heap_storage_region.bytes;
    unified - stored.min(region)
}

/// The setting that the line is raised by: the one that it was set by.
fn raised_by(settings: &Settings, layout: &MemoryLayout) -> (&'static str, u64, Origin) {
    let memory = &settings.memory;
    let own = |origin: &Origin| match origin.is_explicit() {
        true => origin.clone(),
        false => Origin::Default,
    };
    match &memory.line {
        Some(line) => match line.value {
            LineRequest::Bytes(bytes) => (LINE, bytes, own(&line.origin)),
            LineRequest::Auto => (LINE, layout.executor.total.bytes, own(&line.origin)),
        },
        None if memory.executor.origin.is_explicit() => {
            let executor = &memory.executor;
            (EXECUTOR, executor.value, own(&executor.origin))
        }
        None if memory.driver.origin.is_explicit() => {
            let driver = &memory.driver;
            (DRIVER, driver.value, own(&driver.origin))
        }
        None => (LINE, layout.executor.total.bytes, Origin::Default),
    }
}

/// In steps of a size that people choose.
fn rounded_up(bytes: u64) -> u64 {
    let step = match bytes / MIB {
        0..=1024 => 16,
        1025..=8192 => 64,
        _ => 256,
    };
    bytes.next_multiple_of(step * MIB)
}
