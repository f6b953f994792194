//! Which settings make the line, and how the line is split between driver and executor.

use super::{LayoutError, Part, Shape};
use crate::container::ContainerLimit;
use crate::machine::Machine;
use crate::origin::{Origin, Setting};
use crate::property as p;
use crate::settings::{LineRequest, MemorySettings};
use crate::size::fmt_bytes;

/// The two pools that a line holds, before either is divided; off-heap memory comes on top.
pub(super) struct Pools {
    pub shape: Shape,
    /// The pool of the driver; the same as the executor's when there is one pool.
    pub driver: Part,
    pub executor: Part,
    /// Whether the engine may keep less than Spark's 300 MiB, so that the pool can be small.
    pub may_be_small: bool,
}

impl Pools {
    /// Bytes of both pools.
    pub fn bytes(&self) -> u64 {
        match self.shape {
            Shape::OnePool => self.executor.bytes,
            Shape::DriverAndExecutor => self.driver.bytes.saturating_add(self.executor.bytes),
        }
    }

    /// The table of the design, row by row.
    pub fn of(memory: &MemorySettings, machine: &Machine) -> Result<Pools, LayoutError> {
        let off_heap = memory
            .off_heap
            .as_ref()
            .map_or(0, |off_heap| off_heap.value.get());
        if let Some(line) = &memory.line {
            return Ok(match line.value {
                LineRequest::Bytes(bytes) => {
                    Pools::one(Part::new(bytes, p::LINE.name(), line.origin.clone()), true)
                }
                LineRequest::Auto => Pools::one(auto(off_heap, machine, &line.origin)?, true),
            });
        }
        let driver_set = memory.driver.origin.is_explicit();
        let executor_set = memory.executor.origin.is_explicit();
        let driver = part(&memory.driver, p::DRIVER_MEMORY.name());
        let executor = part(&memory.executor, p::EXECUTOR_MEMORY.name());
        if driver_set && !executor_set {
            return Ok(Pools::one(driver, false));
        }
        let pools = Pools {
            shape: Shape::DriverAndExecutor,
            driver,
            executor,
            may_be_small: false,
        };
        match &machine.container {
            Some(limit)
                if !executor_set && pools.bytes().saturating_add(off_heap) > limit.bytes =>
            {
                Pools::halves(limit, off_heap)
            }
            _ => Ok(pools),
        }
    }

    fn one(pool: Part, may_be_small: bool) -> Pools {
        Pools {
            shape: Shape::OnePool,
            driver: pool.clone(),
            executor: pool,
            may_be_small,
        }
    }

    /// Nothing was set and 1g + 1g do not fit the container: driver and executor shrink together, so that a larger
    /// container never has less memory for either, and at 2g it is Spark's defaults.
    fn halves(limit: &ContainerLimit, off_heap: u64) -> Result<Pools, LayoutError> {
        let room = room_beside(off_heap, limit.bytes)?;
        let why = match off_heap {
            0 => format!("half of the container's limit, {}", fmt_bytes(limit.bytes)),
            _ => format!(
                "half of the container's limit, {}, less off-heap",
                fmt_bytes(limit.bytes)
            ),
        };
        let half = |bytes| {
            Part::new(
                bytes,
                &why,
                Origin::Derived(limit.file.display().to_string()),
            )
        };
        Ok(Pools {
            shape: Shape::DriverAndExecutor,
            driver: half(room / 2),
            executor: half(room - room / 2),
            may_be_small: true,
        })
    }
}

/// `auto`: the container's limit, or 80 % of the machine, is the whole line; off-heap memory has to be inside it.
fn auto(off_heap: u64, machine: &Machine, origin: &Origin) -> Result<Part, LayoutError> {
    let (line, mut formula) = match &machine.container {
        Some(limit) if limit.bytes <= machine.physical_memory => {
            (limit.bytes, "the container's limit".to_owned())
        }
        _ => {
            let physical = machine.physical_memory;
            (
                physical / 5 * 4,
                format!("80 % of the machine's {}", fmt_bytes(physical)),
            )
        }
    };
    if off_heap > 0 {
        formula.push_str(" less off-heap");
    }
    let why = format!("{} = auto ({origin})", p::LINE.name());
    Ok(Part::new(
        room_beside(off_heap, line)?,
        &formula,
        Origin::Derived(why),
    ))
}

fn room_beside(off_heap: u64, line: u64) -> Result<u64, LayoutError> {
    let room = line.checked_sub(off_heap).filter(|&room| room > 0);
    room.ok_or(LayoutError::NoRoomBesideOffHeap {
        off_heap: fmt_bytes(off_heap),
        line: fmt_bytes(line),
    })
}

fn part(setting: &Setting<u64>, key: &'static str) -> Part {
    Part::new(setting.value, key, setting.origin.clone())
}
