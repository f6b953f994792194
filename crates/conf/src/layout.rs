//! The memory layout: what the line is, and which part of it is for what, in bytes.
//!
//! Follows `UnifiedMemoryManager.getMaxMemory` to the byte: with L the executor's memory,
//! `unified = (L − reserved) × spark.memory.fraction` and `storage = unified × spark.memory.storageFraction`, each a
//! product of a 64-bit float that is cut off.

pub mod cluster;
mod error;
mod line;

use crate::machine::Machine;
use crate::origin::Origin;
use crate::property as p;
use crate::settings::{MemorySettings, Settings};
use crate::size::{MIB, fmt_bytes};
use cluster::{ContainerRequest, Language, Manager};
pub use error::{LayoutError, LayoutWarning};
use line::Pools;
use serde::{Serialize, Serializer};

/// What Spark keeps for itself, `UnifiedMemoryManager.RESERVED_SYSTEM_MEMORY_BYTES`.
pub const RESERVED: u64 = 300 * MIB;

/// The smallest pool that Spark takes: one and a half times what it reserves.
pub const SPARK_FLOOR: u64 = RESERVED + RESERVED / 2;

/// The smallest pool that Plimsoll takes. Below it there is no room for a row group and a plan at the same time.
pub const FLOOR: u64 = 64 * MIB;

/// The layout in force: the line and all that is inside it. Serializes to JSON with every part as its bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryLayout {
    /// All that this process and its children may have resident.
    pub line: Part,
    /// Whether driver and executor share one pool.
    pub shape: Shape,
    /// The executor and its parts.
    pub executor: ExecutorLayout,
    /// The driver.
    pub driver: DriverLayout,
    /// What a person should know about this layout; empty as a rule.
    #[serde(skip)]
    pub warnings: Vec<LayoutWarning>,
}

/// Whether driver and executor share one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One pool is laid out as an executor's, and what the driver holds is charged to its user memory: `driver.total`
    /// and `executor.total` are the same bytes.
    OnePool,
    /// The driver has its own memory beside the executor's.
    DriverAndExecutor,
}

/// A part of the line: how much, by which formula, and where what decides it was set.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// How much.
    pub bytes: u64,
    /// How the bytes come about, as a person would write it.
    pub formula: String,
    /// Where the setting that decides it came from.
    pub origin: Origin,
}

/// The executor's memory. `reserved + unified + user = total`; `storage_region` is inside `unified`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExecutorLayout {
    /// All of it but off-heap memory.
    pub total: Part,
    /// The engine itself.
    pub reserved: Part,
    /// Execution and storage.
    pub unified: Part,
    /// What execution may not evict: the storage side of the soft border.
    pub storage_region: Part,
    /// All that no one reserves: code of users, data structures, buffers.
    pub user: Part,
    /// The second unified region; 0 bytes when disabled.
    pub off_heap: Part,
    /// What execution may not evict there.
    pub off_heap_storage_region: Part,
    /// `spark.executor.pyspark.memory`; 0 bytes when unset. Spark adds it to the container of a Python job.
    pub pyspark: Part,
    /// What Spark would ask cluster managers for.
    #[serde(flatten)]
    pub requests: ContainerRequests,
}

/// The driver's memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DriverLayout {
    /// All of it: the executor's pool itself when that is shared.
    pub total: Part,
    /// Most that the results of one action may take, `None` for no limit.
    pub max_result_size: Option<u64>,
    /// What Spark would ask cluster managers for.
    #[serde(flatten)]
    pub requests: ContainerRequests,
}

/// What Spark would ask cluster managers for, flattened in JSON: `overhead` and `container` are YARN's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContainerRequests {
    /// On YARN, for a Python job when `spark.executor.pyspark.memory` is set.
    #[serde(flatten)]
    pub yarn: ContainerRequest,
    /// On Kubernetes, for a JVM job.
    pub kubernetes: ContainerRequest,
    /// On Kubernetes, for a Python job.
    pub kubernetes_python: ContainerRequest,
}

impl MemoryLayout {
    /// The line that these settings ask for, in bytes, whether the machine or the container has it or not.
    ///
    /// # Errors
    /// [`LayoutError`] for settings that make no line.
    pub fn unbounded_line(settings: &Settings, machine: &Machine) -> Result<u64, LayoutError> {
        let pools = Pools::of(&settings.memory, machine)?;
        Ok(line(&pools, &off_heap(&settings.memory)).bytes)
    }

    /// Lays memory out for these settings on this machine.
    ///
    /// # Errors
    /// [`LayoutError`] for settings that cannot go together, before anything starts.
    pub fn new(settings: &Settings, machine: &Machine) -> Result<MemoryLayout, LayoutError> {
        let memory = &settings.memory;
        let pools = Pools::of(memory, machine)?;
        let off_heap = off_heap(memory);
        let line = line(&pools, &off_heap);
        if let Some(limit) = machine
            .container
            .as_ref()
            .filter(|limit| line.bytes > limit.bytes)
        {
            return Err(LayoutError::AboveContainer {
                line: fmt_bytes(line.bytes),
                formula: line.formula,
                limit: fmt_bytes(limit.bytes),
                file: limit.file.clone(),
                settings: settings_of(&pools, &off_heap),
            });
        }
        let above = line.bytes > machine.physical_memory;
        let warning = above.then(|| LayoutWarning::AbovePhysicalMemory {
            line: fmt_bytes(line.bytes),
            physical: fmt_bytes(machine.physical_memory),
        });

        let shape = pools.shape;
        let driver = DriverLayout {
            max_result_size: memory.max_result_size.map(|size| size.get()),
            requests: requests(settings, |manager, language| {
                cluster::driver(pools.driver.bytes, &settings.deploy, manager, language)
            }),
            total: pools.driver.clone(),
        };
        let executor = executor(settings, pools, off_heap)?;
        Ok(MemoryLayout {
            line,
            shape,
            executor,
            driver,
            warnings: warning.into_iter().collect(),
        })
    }
}

fn executor(
    settings: &Settings,
    pools: Pools,
    off_heap: Part,
) -> Result<ExecutorLayout, LayoutError> {
    let memory = &settings.memory;
    let reserved = reserved(memory, &pools)?;
    let total = pools.executor;
    let usable = total.bytes - reserved.bytes;
    let unified = share(usable, memory.fraction.value);
    let storage = share(unified, memory.storage_fraction.value);
    if unified == storage {
        return Err(LayoutError::NoExecutionMemory {
            fraction: memory.fraction.value.to_string(),
            storage_fraction: memory.storage_fraction.value.to_string(),
            usable: fmt_bytes(usable),
        });
    }
    let (fraction, storage_fraction) = (memory.fraction.value, memory.storage_fraction.value);
    Ok(ExecutorLayout {
        unified: Part::new(
            unified,
            &format!(
                "({} − {}) × {fraction}",
                fmt_bytes(total.bytes),
                fmt_bytes(reserved.bytes)
            ),
            memory.fraction.origin.clone(),
        ),
        storage_region: Part::new(
            storage,
            &format!("{} × {storage_fraction}", fmt_bytes(unified)),
            memory.storage_fraction.origin.clone(),
        ),
        user: Part::new(
            usable - unified,
            &format!(
                "{} − {} − {}",
                fmt_bytes(total.bytes),
                fmt_bytes(reserved.bytes),
                fmt_bytes(unified)
            ),
            Origin::Derived("what is left".into()),
        ),
        off_heap_storage_region: Part::new(
            share(off_heap.bytes, storage_fraction),
            &format!("{} × {storage_fraction}", fmt_bytes(off_heap.bytes)),
            memory.storage_fraction.origin.clone(),
        ),
        pyspark: pyspark(settings),
        requests: requests(settings, |manager, language| {
            cluster::executor(
                total.bytes,
                off_heap.bytes,
                &settings.deploy,
                manager,
                language,
            )
        }),
        off_heap,
        reserved,
        total,
    })
}

/// What the engine keeps for itself.
///
/// Spark keeps 300 MiB and takes no pool under 450 MiB, so that 150 MiB at least are left to divide. Plimsoll goes on
/// below: those 150 MiB stay and the engine's part shrinks, down to a quarter of the pool (at 200 MiB); from there both
/// shrink together. So a larger pool never has less of anything, and at 450 MiB it is Spark's layout.
fn reserved(memory: &MemorySettings, pools: &Pools) -> Result<Part, LayoutError> {
    let pool = &pools.executor;
    if pool.bytes < FLOOR && pools.may_be_small {
        return Err(LayoutError::BelowFloor {
            bytes: fmt_bytes(pool.bytes),
            what: pool.formula.clone(),
            origin: pool.origin.clone(),
        });
    }
    let fixed = || Part::new(RESERVED, "fixed, as in Spark", Origin::Default);
    let reserved = match &memory.reserved {
        Some(reserved) => Part::new(reserved.value, p::RESERVED.name(), reserved.origin.clone()),
        None if !pools.may_be_small || pool.bytes >= SPARK_FLOOR => fixed(),
        None => {
            let all_but_150 = pool.bytes.saturating_sub(SPARK_FLOOR - RESERVED);
            let quarter = pool.bytes / 4;
            let (bytes, formula) = match all_but_150 > quarter {
                true => (all_but_150, "all but 150 MiB"),
                false => (quarter, "a quarter"),
            };
            Part::new(
                bytes,
                formula,
                Origin::Derived(format!("a pool under {}", fmt_bytes(SPARK_FLOOR))),
            )
        }
    };
    // Spark's `(reservedMemory * 1.5).ceil`, which is exact in whole numbers too.
    let floor = reserved.bytes.saturating_add(reserved.bytes.div_ceil(2));
    if !pools.may_be_small && pool.bytes < floor {
        return Err(LayoutError::BelowSparkFloor {
            setting: pool.formula.clone(),
            bytes: fmt_bytes(pool.bytes),
            origin: pool.origin.clone(),
            floor: fmt_bytes(floor),
            reserved: fmt_bytes(reserved.bytes),
        });
    }
    if reserved.bytes >= pool.bytes {
        return Err(LayoutError::ReservedTooLarge {
            reserved: fmt_bytes(reserved.bytes),
            origin: reserved.origin,
            pool: fmt_bytes(pool.bytes),
        });
    }
    Ok(reserved)
}

/// Scala's `(bytes * fraction).toLong`, as Spark computes each region.
fn share(bytes: u64, fraction: f64) -> u64 {
    (bytes as f64 * fraction) as u64
}

fn off_heap(memory: &MemorySettings) -> Part {
    match &memory.off_heap {
        Some(size) => Part::new(
            size.value.get(),
            p::OFF_HEAP_SIZE.name(),
            size.origin.clone(),
        ),
        None => Part::new(0, "disabled", Origin::Default),
    }
}

/// Spark gives each Python worker its part by cores, in whole MiB.
fn pyspark(settings: &Settings) -> Part {
    let deploy = &settings.deploy;
    let Some(size) = &deploy.pyspark else {
        return Part::new(0, "unset", Origin::Default);
    };
    let key = p::PYSPARK_MEMORY.name();
    let formula = match u64::from(deploy.executor_cores) {
        0 | 1 => key.to_owned(),
        cores => {
            let each = size.value / MIB / cores * MIB;
            format!("{key}, {} for each of {cores} cores", fmt_bytes(each))
        }
    };
    Part::new(size.value, &formula, size.origin.clone())
}

fn line(pools: &Pools, off_heap: &Part) -> Part {
    let mut formula = match pools.shape {
        Shape::OnePool => pools.executor.formula.clone(),
        Shape::DriverAndExecutor => {
            format!(
                "driver {} + executor {}",
                fmt_bytes(pools.driver.bytes),
                fmt_bytes(pools.executor.bytes)
            )
        }
    };
    if off_heap.bytes > 0 {
        formula = format!("{formula} + off-heap {}", fmt_bytes(off_heap.bytes));
    }
    let origin = pools.executor.origin.clone();
    Part::new(
        pools.bytes().saturating_add(off_heap.bytes),
        &formula,
        origin,
    )
}

/// The settings that a line could be lowered by.
fn settings_of(pools: &Pools, off_heap: &Part) -> String {
    let mut settings = vec![pools.executor.formula.as_str()];
    if pools.shape == Shape::DriverAndExecutor {
        settings.push(&pools.driver.formula);
    }
    if off_heap.bytes > 0 {
        settings.push(&off_heap.formula);
    }
    settings.join(" or ")
}

fn requests(
    settings: &Settings,
    ask: impl Fn(Manager, Language) -> ContainerRequest,
) -> ContainerRequests {
    // Only a Python job can have memory for Python.
    let language = match settings.deploy.pyspark {
        Some(_) => Language::Python,
        None => Language::Jvm,
    };
    ContainerRequests {
        yarn: ask(Manager::Yarn, language),
        kubernetes: ask(Manager::Kubernetes, Language::Jvm),
        kubernetes_python: ask(Manager::Kubernetes, Language::Python),
    }
}

impl Part {
    fn new(bytes: u64, formula: &str, origin: Origin) -> Part {
        Part {
            bytes,
            formula: formula.to_owned(),
            origin,
        }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.bytes)
    }
}
