//! What the sessions of one process share: the memory, and the settings that make it.

use std::sync::Arc;

use datafusion::catalog::MemorySchemaProvider;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use parking_lot::RwLock;
use plimsoll_conf::property::shared_keys;
use plimsoll_conf::{Conf, Machine, MemoryLayout, Settings, Shape, fmt_bytes};
use plimsoll_exec::BroadcastMemory;
use plimsoll_memory::{Bounds, DriverMemory, MemoryMode, Pressure, Region, UnifiedMemory};
use plimsoll_storage::BlockStore;

use crate::answers;
use crate::cache::{CacheManager, tell_evictions};
use crate::error::Error;
use crate::outside::Outside;
use crate::session::Changed;
use crate::source::ScanBudget;
use crate::spill::SpillDirectories;
use crate::status::AppStatus;

/// The settings of a session, and what they come to.
#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) conf: Conf,
    pub(crate) settings: Settings,
    pub(crate) layout: MemoryLayout,
    /// The [`MemoryConf`] that is in it.
    version: u64,
}

impl InForce {
    fn new(conf: Conf, machine: &Machine, version: u64) -> Result<Self, Error> {
        let settings = conf.settings()?;
        let layout = MemoryLayout::new(&settings, machine)?;
        Ok(Self {
            conf,
            settings,
            layout,
            version,
        })
    }
}

/// The settings of memory, which belong to the process and not to a session: those of the session
/// that changed them last.
struct MemoryConf {
    conf: Conf,
    version: u64,
}

/// What the sessions of one process share.
pub(crate) struct Shared {
    pub(crate) machine: Machine,
    pub(crate) memory: Arc<UnifiedMemory>,
    pub(crate) pressure: Pressure,
    /// What the driver holds: results, broadcasts, metadata.
    pub(crate) driver: Arc<DriverMemory>,
    /// The queries that run and those that are over, and who is told of them.
    pub(crate) status: Arc<AppStatus>,
    /// The plans that are cached, by whichever session.
    pub(crate) cache: Arc<CacheManager>,
    /// The views that all sessions see: Spark's database `global_temp`.
    pub(crate) global_views: Arc<MemorySchemaProvider>,
    /// Footers of Parquet files, which all sessions share. Queries have runtimes of their own beside.
    pub(crate) runtime: Arc<RuntimeEnv>,
    memory_conf: RwLock<MemoryConf>,
    /// The line that no session may raise; `None` where the session owns the process.
    pub(crate) ceiling: Option<u64>,
    /// Last, so that it outlives whatever may have files in it.
    pub(crate) spill: SpillDirectories,
}

impl Shared {
    /// Lays the memory out for these settings.
    ///
    /// # Errors
    /// If the settings are impossible, no spill directory can be made, or the system does not tell
    /// what is resident.
    pub(crate) fn new(conf: Conf, machine: Machine, keeps_its_line: bool) -> Result<Self, Error> {
        let in_force = InForce::new(conf, &machine, 0)?;
        let (on_heap, off_heap) = regions(&in_force.layout);
        let memory = UnifiedMemory::new(on_heap, off_heap);
        let pressure =
            Pressure::start(Arc::clone(&memory), bounds(&in_force)).map_err(|source| {
                Error::System {
                    what: "cannot watch resident memory".into(),
                    source,
                }
            })?;
        let spill = SpillDirectories::create(&in_force.settings.local_dirs)?;
        spill.take_overflow_of(&pressure);
        let disk = spill.disk_manager(in_force.settings.spill.max_size);
        let disk = Arc::new(disk.build().map_err(Error::planning_of)?);
        let blocks = BlockStore::new(Arc::clone(&memory), disk, is_tight(&in_force, &machine));
        let footers = ScanBudget::new(in_force.layout.executor.unified.bytes).footers();
        let runtime = RuntimeEnvBuilder::new()
            .with_metadata_cache_limit(footers)
            .with_disk_manager_builder(spill.disk_manager(in_force.settings.spill.max_size))
            .with_memory_pool(Arc::new(Outside));
        let driver = DriverMemory::new(drivers_part(&in_force.layout));
        let status = AppStatus::new(&driver, in_force.settings.history);
        let cache = CacheManager::new(Arc::clone(&blocks));
        tell_evictions(&blocks, &cache, &status);
        Ok(Self {
            runtime: runtime.build_arc().map_err(Error::planning_of)?,
            memory,
            pressure,
            status,
            driver,
            cache,
            global_views: Arc::new(MemorySchemaProvider::new()),
            ceiling: keeps_its_line.then_some(in_force.layout.line.bytes),
            spill,
            memory_conf: RwLock::new(MemoryConf {
                conf: in_force.conf,
                version: 0,
            }),
            machine,
        })
    }

    /// The settings of a new session.
    ///
    /// # Errors
    /// If they are impossible.
    pub(crate) fn in_force(&self, conf: Conf) -> Result<InForce, Error> {
        let memory = self.memory_conf.read();
        self.with_memory(conf, &memory)
    }

    fn with_memory(&self, mut conf: Conf, memory: &MemoryConf) -> Result<InForce, Error> {
        conf.adopt(&memory.conf, shared_keys());
        InForce::new(conf, &self.machine, memory.version)
    }

    /// The books of a query's broadcasts.
    pub(crate) fn broadcasts(&self, settings: &Settings) -> Arc<BroadcastMemory> {
        Arc::new(BroadcastMemory::new(
            Arc::clone(&self.driver),
            Arc::clone(&self.memory),
            settings.sql.max_broadcast_table_size,
        ))
    }

    /// Brings settings up to date with what other sessions have done to the memory.
    pub(crate) fn refresh(&self, in_force: &RwLock<InForce>) {
        let memory = self.memory_conf.read();
        if in_force.read().version == memory.version {
            return;
        }
        let conf = in_force.read().conf.clone();
        // Nothing that was possible for the session that set it is impossible for another.
        if let Ok(fresh) = self.with_memory(conf, &memory) {
            *in_force.write() = fresh;
        }
    }

    /// Changes settings and gives the memory the sizes they now come to, or leaves all as it is if
    /// they come to something impossible. `key` is the one that is set, if it is one.
    pub(crate) fn change(
        &self,
        in_force: &RwLock<InForce>,
        key: Option<&str>,
        change: impl FnOnce(&mut Conf) -> Result<(), Error>,
    ) -> Result<Changed, Error> {
        self.refresh(in_force);
        let mut memory = self.memory_conf.write();
        let mut current = in_force.write();
        let mut conf = current.conf.clone();
        change(&mut conf)?;
        let mut changed = Changed::default();
        if let Some(key) = key {
            changed.warnings.extend(self.clamp(&mut conf, key)?);
        }
        let mut next = InForce::new(conf, &self.machine, memory.version)?;
        self.keeps_its_line(key, &next)?;
        let (old, new) = (regions(&current.layout), regions(&next.layout));
        changed.sizes = answers::changes(&current.layout, &next.layout);
        if let Some(key) = key.filter(|_| changed.sizes.is_empty()) {
            changed
                .sizes
                .extend(answers::change(key, &current.conf, &next.conf));
        }
        self.pressure.set(bounds(&next));
        self.driver.set_limit(drivers_part(&next.layout));
        self.status.bound(&self.driver, next.settings.history);
        for (mode, old, new) in [
            (MemoryMode::OnHeap, old.0, new.0),
            (MemoryMode::OffHeap, old.1, new.1),
        ] {
            if old != new {
                self.memory.resize(mode, new);
            }
        }
        let footers = ScanBudget::new(next.layout.executor.unified.bytes).footers();
        let cache = self.runtime.cache_manager.get_file_metadata_cache();
        cache.update_cache_limit(footers);
        let differs = |key| {
            next.conf.get(key).map(|(value, _)| value.to_owned())
                != memory.conf.get(key).map(|(value, _)| value.to_owned())
        };
        if shared_keys().any(differs) {
            memory.version += 1;
            memory.conf = next.conf.clone();
        }
        next.version = memory.version;
        *current = next;
        Ok(changed)
    }

    /// Whether these settings keep to the line that no session may raise.
    fn keeps_its_line(&self, key: Option<&str>, next: &InForce) -> Result<(), Error> {
        let line = next.layout.line.bytes;
        match self.ceiling.filter(|ceiling| line > *ceiling) {
            None => Ok(()),
            Some(ceiling) => Err(Error::NotSupported(format!(
                "{} would put the line at {}, and {} is all the server was given: set less, or start the server with more",
                key.unwrap_or("RESET"),
                fmt_bytes(line),
                fmt_bytes(ceiling),
            ))),
        }
    }

    /// The most that the line may come to, and why.
    fn most(&self) -> (u64, &'static str) {
        let machine = (self.machine.physical_memory, "the machine has");
        let container = self
            .machine
            .container
            .as_ref()
            .map(|limit| (limit.bytes, "the container has"));
        let server = self.ceiling.map(|line| (line, "the server was given"));
        [Some(machine), container, server]
            .into_iter()
            .flatten()
            .min_by_key(|(bytes, _)| *bytes)
            .unwrap_or(machine)
    }

    /// Lowers a size that would put the line above what there is, and says so.
    fn clamp(&self, conf: &mut Conf, key: &str) -> Result<Option<String>, Error> {
        let settings = conf.settings()?;
        let asked = match key {
            "spark.executor.memory" => settings.memory.executor.value,
            "spark.driver.memory" => settings.memory.driver.value,
            "spark.memory.offHeap.size" | "spark.memory.offHeap.enabled" => settings
                .memory
                .off_heap
                .as_ref()
                .map_or(0, |size| size.value.get()),
            "spark.plimsoll.memory" => match MemoryLayout::unbounded_line(&settings, &self.machine)
            {
                Ok(line) => line,
                Err(_) => return Ok(None),
            },
            _ => return Ok(None),
        };
        let line = MemoryLayout::unbounded_line(&settings, &self.machine)?;
        let (most, why) = self.most();
        let Some(excess) = line.checked_sub(most).filter(|excess| *excess > 0) else {
            return Ok(None);
        };
        let Some(possible) = asked.checked_sub(excess).filter(|rest| *rest > 0) else {
            return Ok(None);
        };
        let key = match key {
            "spark.memory.offHeap.enabled" => "spark.memory.offHeap.size",
            key => key,
        };
        // Whole KiB, which every size can be written in.
        conf.set(
            key,
            &format!("{}k", possible >> 10),
            plimsoll_conf::Origin::Set,
        )?;
        Ok(Some(format!(
            "{key} = {} would put the line at {}, and {} is all {why}: it is {} now",
            fmt_bytes(asked),
            fmt_bytes(line),
            fmt_bytes(most),
            fmt_bytes(possible >> 10 << 10),
        )))
    }
}

/// Whether the container has little room beside the line: pages of files count there until they are on the disk.
fn is_tight(in_force: &InForce, machine: &Machine) -> bool {
    let line = in_force.layout.line.bytes;
    let container = machine.container.as_ref();
    container.is_some_and(|limit| limit.bytes.saturating_sub(line) < line / 2)
}

/// What the process is to keep to.
fn bounds(in_force: &InForce) -> Bounds {
    Bounds {
        line: in_force.layout.line.bytes,
        lending: in_force.settings.memory.lending,
    }
}

/// What the driver may hold, in bytes: its own part, or user memory where driver and executor share one pool.
pub(crate) fn drivers_part(layout: &MemoryLayout) -> u64 {
    match layout.shape {
        Shape::DriverAndExecutor => layout.driver.total.bytes,
        Shape::OnePool => layout.executor.user.bytes,
    }
}

/// The regions of the memory manager that a layout comes to.
fn regions(layout: &MemoryLayout) -> (Region, Region) {
    let executor = &layout.executor;
    (
        Region::new(executor.unified.bytes, executor.storage_region.bytes),
        Region::new(
            executor.off_heap.bytes,
            executor.off_heap_storage_region.bytes,
        ),
    )
}
