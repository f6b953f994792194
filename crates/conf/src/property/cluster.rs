//! The properties by which Spark sizes containers on YARN and Kubernetes.

use super::{Key, Missing, Property};
use crate::kind::{Count, Fraction, Size};
use crate::property::{DefaultValue, Effect};
use crate::size::{MIB, Unit};

/// `spark.driver.memoryOverhead`.
pub static DRIVER_OVERHEAD: Key<Size, Missing> = Key::derived(
    "spark.driver.memoryOverhead",
    OVERHEAD,
    "spark.driver.memory × spark.driver.memoryOverheadFactor",
);

/// `spark.driver.memoryOverheadFactor`.
pub static DRIVER_OVERHEAD_FACTOR: Key<Fraction> =
    Key::new("spark.driver.memoryOverheadFactor", POSITIVE, "0.1");

/// `spark.driver.minMemoryOverhead`.
pub static DRIVER_MIN_OVERHEAD: Key<Size> =
    Key::new("spark.driver.minMemoryOverhead", OVERHEAD, "384m");

/// `spark.executor.memoryOverhead`.
pub static EXECUTOR_OVERHEAD: Key<Size, Missing> = Key::derived(
    "spark.executor.memoryOverhead",
    OVERHEAD,
    "spark.executor.memory × spark.executor.memoryOverheadFactor",
);

/// `spark.executor.memoryOverheadFactor`.
pub static EXECUTOR_OVERHEAD_FACTOR: Key<Fraction> =
    Key::new("spark.executor.memoryOverheadFactor", POSITIVE, "0.1");

/// `spark.executor.minMemoryOverhead`.
pub static EXECUTOR_MIN_OVERHEAD: Key<Size> =
    Key::new("spark.executor.minMemoryOverhead", OVERHEAD, "384m");

/// `spark.kubernetes.memoryOverheadFactor`.
pub static KUBERNETES_OVERHEAD_FACTOR: Key<Fraction> = Key::new(
    "spark.kubernetes.memoryOverheadFactor",
    Fraction {
        accepts: |f| f >= 0.0,
        bounds: "from 0",
    },
    "0.1",
);

/// `spark.executor.pyspark.memory`.
pub static PYSPARK_MEMORY: Key<Size, Missing> =
    Key::unset("spark.executor.pyspark.memory", OVERHEAD);

/// `spark.executor.cores`.
pub static EXECUTOR_CORES: Key<Count> =
    Key::new("spark.executor.cores", Count { at_least: 1 }, "1");

/// `spark.executor.instances`.
pub static EXECUTOR_INSTANCES: Key<Count, Missing> =
    Key::unset("spark.executor.instances", Count { at_least: 0 });

const OVERHEAD: Size = Size::in_unit(Unit::Mebi);
const POSITIVE: Fraction = Fraction {
    accepts: |f| f > 0.0,
    bounds: "above 0",
};

pub(super) static TABLE: &[Property] = &[
    DRIVER_OVERHEAD.property(Effect::Deploy, "What Spark adds to the driver's container"),
    DRIVER_OVERHEAD_FACTOR.property(Effect::Deploy, "The same as a share of spark.driver.memory"),
    DRIVER_MIN_OVERHEAD.property(Effect::Deploy, "The least that the share adds to the driver's container"),
    Property::new(
        "spark.driver.cores",
        &Count { at_least: 1 },
        DefaultValue::Is("1"),
        Effect::Deploy,
        "Cores of the driver's container",
    ),
    EXECUTOR_OVERHEAD.property(Effect::Deploy, "What Spark adds to an executor's container"),
    EXECUTOR_OVERHEAD_FACTOR.property(Effect::Deploy, "The same as a share of spark.executor.memory"),
    EXECUTOR_MIN_OVERHEAD.property(Effect::Deploy, "The least that the share adds to an executor's container"),
    KUBERNETES_OVERHEAD_FACTOR.property(
        Effect::Deploy,
        "The share on Kubernetes where the other two are not set; 0.4 for Python unless this is set",
    ),
    PYSPARK_MEMORY.property(
        Effect::Deploy,
        "Memory of all Python workers of an executor; Spark gives each worker its part by cores",
    ),
    EXECUTOR_CORES.property(Effect::Deploy, "Cores of an executor; in local mode spark.master says how many"),
    EXECUTOR_INSTANCES.property(Effect::Deploy, "Number of executors; in local mode there is one"),
    Property::new(
        "spark.cores.max",
        &Count { at_least: 1 },
        DefaultValue::Unset,
        Effect::Deploy,
        "Cores that a standalone cluster gives to one application at most",
    ),
    Property::new(
        "spark.yarn.am.memory",
        &Size { unit: Unit::Mebi, at_least: MIB },
        DefaultValue::Is("512m"),
        Effect::Deploy,
        "Memory of YARN's application master in client mode",
    ),
    Property::new(
        "spark.yarn.am.memoryOverhead",
        &OVERHEAD,
        DefaultValue::Unset,
        Effect::Deploy,
        "What Spark adds to the application master's container in client mode",
    ),
];
