//! The properties that make the line and divide it.

use super::{Key, Missing, Property};
use crate::kind::{Fraction, ProfileName, Size, SizeOrAuto, Switch, Time};
use crate::property::{DefaultValue, Effect};
use crate::size::{MIB, Unit};
use crate::time::TimeUnit;

/// `spark.plimsoll.memory`: the line itself, or `auto`.
pub static LINE: Key<SizeOrAuto, Missing> =
    Key::unset("spark.plimsoll.memory", SizeOrAuto { unit: Unit::Mebi });

/// `spark.plimsoll.memory.reserved`: what the engine keeps for itself.
pub static RESERVED: Key<Size, Missing> = Key::derived(
    "spark.plimsoll.memory.reserved",
    Size {
        unit: Unit::Mebi,
        at_least: MIB,
    },
    "300m; less when the pool is under 450m",
);

/// `spark.plimsoll.memory.lending`.
pub static LENDING: Key<Switch> = Key::new("spark.plimsoll.memory.lending", Switch, "true");

/// `spark.plimsoll.profile`: one name for the settings that suit a kind of work.
pub static PROFILE: Key<ProfileName, Missing> = Key::unset("spark.plimsoll.profile", ProfileName);

/// `spark.driver.memory`.
pub static DRIVER_MEMORY: Key<Size> = Key::new("spark.driver.memory", POSITIVE_MIB, "1g");

/// `spark.executor.memory`.
pub static EXECUTOR_MEMORY: Key<Size> = Key::new("spark.executor.memory", POSITIVE_MIB, "1g");

/// `spark.memory.fraction`.
pub static MEMORY_FRACTION: Key<Fraction> = Key::new(
    "spark.memory.fraction",
    Fraction {
        accepts: |f| 0.0 < f && f <= 1.0,
        bounds: "above 0 and up to 1",
    },
    "0.6",
);

/// `spark.memory.storageFraction`.
pub static STORAGE_FRACTION: Key<Fraction> = Key::new(
    "spark.memory.storageFraction",
    Fraction {
        accepts: |f| (0.0..1.0).contains(&f),
        bounds: "from 0 and below 1",
    },
    "0.5",
);

/// `spark.memory.offHeap.enabled`.
pub static OFF_HEAP_ENABLED: Key<Switch> =
    Key::new("spark.memory.offHeap.enabled", Switch, "false");

/// `spark.memory.offHeap.size`.
pub static OFF_HEAP_SIZE: Key<Size> =
    Key::new("spark.memory.offHeap.size", Size::in_unit(Unit::Byte), "0b");

/// `spark.driver.maxResultSize`.
pub static MAX_RESULT_SIZE: Key<Size> = Key::new(
    "spark.driver.maxResultSize",
    Size::in_unit(Unit::Byte),
    "1g",
);

const POSITIVE_MIB: Size = Size {
    unit: Unit::Mebi,
    at_least: MIB,
};

pub(super) static TABLE: &[Property] = &[
    LINE.property(
        Effect::Live,
        "The line: all the memory of this process, or auto for the container's limit",
    ),
    RESERVED.property(
        Effect::Live,
        "What the engine keeps for itself before memory is divided",
    ),
    LENDING.property(
        Effect::Live,
        "Whether execution may use what the reserved and user parts leave unused; false is Spark to the byte",
    ),
    PROFILE.property(
        Effect::Live,
        "Settings for a kind of work, each weaker than one that is set by itself: cache or shuffle",
    ),
    DRIVER_MEMORY.property(
        Effect::Live,
        "Memory of the driver: results being collected, broadcasts being built, job metadata",
    ),
    EXECUTOR_MEMORY.property(
        Effect::Live,
        "Memory of the executor: reserved, unified (execution and storage) and user memory",
    ),
    MEMORY_FRACTION.property(
        Effect::Live,
        "Share of the executor's memory, less the reserved part, for execution and storage",
    ),
    STORAGE_FRACTION.property(
        Effect::Live,
        "Share of unified memory in which cached data cannot be evicted by execution",
    ),
    OFF_HEAP_ENABLED.property(
        Effect::Live,
        "Whether there is a second unified region beside the executor's, added to the line",
    ),
    OFF_HEAP_SIZE.property(
        Effect::Live,
        "Size of that second region; it must be positive when enabled",
    ),
    MAX_RESULT_SIZE.property(
        Effect::Live,
        "Largest total of results that one action may bring to the driver; 0 for no limit",
    ),
    Property::new(
        "spark.memory.unmanagedMemoryPollingInterval",
        &Time {
            unit: TimeUnit::Milliseconds,
        },
        DefaultValue::Is("0s"),
        Effect::NotYet,
        "How often memory that manages itself is asked for its size; 0 for never",
    ),
    Property::new(
        "spark.buffer.pageSize",
        &Size {
            unit: Unit::Byte,
            at_least: 1,
        },
        DefaultValue::Unset,
        Effect::NotYet,
        "Size of one page that an operator takes from execution memory",
    ),
];
