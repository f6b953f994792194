use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::config::SpillCompression;
use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;
use plimsoll_conf::settings::StorageLevel;
use plimsoll_memory::MemoryMode;
use serde::Serialize;

use crate::store::BlockStore;
use crate::unit::{Counters, Unit, Visit};

/// How the rows of a dataset are computed.
pub trait Lineage: Send + Sync {
    /// The plan of its rows, which may read other cached datasets.
    ///
    /// # Errors
    /// If it cannot be planned any more.
    fn plan(&self) -> Result<LogicalPlan>;
}

/// How blocks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// Rows of a block, at most; `spark.sql.inMemoryColumnarStorage.batchSize`.
    pub rows: usize,
    /// How blocks are compressed on disk, and texts in memory at serialized levels.
    pub compression: SpillCompression,
    /// Whether blocks are passed over whose bounds exclude them; `spark.sql.inMemoryColumnarStorage.partitionPruning`.
    pub pruning: bool,
}

/// What all parts of a dataset know.
pub(crate) struct Core {
    pub(crate) id: u64,
    pub(crate) level: StorageLevel,
    pub(crate) options: CacheOptions,
    pub(crate) schema: SchemaRef,
    pub(crate) store: Arc<BlockStore>,
    pub(crate) counters: Counters,
}

impl Core {
    /// The kind of memory that its blocks are in.
    pub(crate) fn mode(&self) -> MemoryMode {
        match self.level.off_heap {
            true => MemoryMode::OffHeap,
            false => MemoryMode::OnHeap,
        }
    }
}

/// A cached plan: Spark's `CachedRDDBuilder`. Nothing of it is there before it is read.
pub struct Dataset {
    pub(crate) core: Arc<Core>,
    pub(crate) lineage: Arc<dyn Lineage>,
    generation: Mutex<Option<Arc<Generation>>>,
}

/// The partitions of a dataset, as one plan has them.
pub(crate) struct Generation {
    slots: Vec<Mutex<Slot>>,
    /// Partitions in a unit: one, or all.
    in_unit: usize,
    partitions: usize,
    /// What its partitions are made of.
    made_of: u64,
    /// The partitions that a plan aims for, so that a later one comes to as many.
    pub(crate) target: usize,
}

/// How many partitions a plan has, how many of them are computed together, and what they are made of.
pub(crate) type Shape = (usize, usize, u64);

struct Slot {
    unit: Option<Arc<Unit>>,
    /// It was computed before.
    was_computed: bool,
}

/// What a reader finds.
pub(crate) struct Entered {
    pub(crate) visit: Visit,
    /// Whether the reader is the one to compute it.
    pub(crate) is_first: bool,
}

/// What there is of a dataset, and what was done for it. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// Partitions that are there, of `partitions`.
    pub cached_partitions: u64,
    /// All of them; 0 before it was first read.
    pub partitions: u64,
    /// Rows in the partitions that are there.
    pub rows: u64,
    /// Bytes that blocks hold in memory.
    pub memory: u64,
    /// Bytes that blocks hold on disk.
    pub disk: u64,
    /// Bytes that all partitions would take in memory at this level, as far as can be told from those that were computed;
    /// 0 if none was.
    pub in_full: u64,
    /// What the same takes on disk, as far as can be told from blocks that are there, which at a serialized level is about
    /// what it takes in memory, and mostly more; 0 if none is.
    pub serialized: u64,
    /// How often a partition was read that was there.
    pub hits: u64,
    /// How often one was not.
    pub misses: u64,
    /// Blocks that had to leave memory.
    pub evictions: u64,
    /// Blocks read from disk.
    pub disk_reads: u64,
    /// How often what had been there was computed again.
    pub recomputes: u64,
}

impl Generation {
    /// `was_computed` says whether the dataset was before, in partitions of another shape.
    fn new((partitions, in_unit, made_of): Shape, target: usize, was_computed: bool) -> Arc<Self> {
        let units = partitions.div_ceil(in_unit);
        Arc::new(Self {
            slots: (0..units)
                .map(|_| {
                    Mutex::new(Slot {
                        unit: None,
                        was_computed,
                    })
                })
                .collect(),
            in_unit,
            partitions,
            made_of,
            target,
        })
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions
    }

    /// Rows and bytes of all partitions, if all are there.
    fn size(&self) -> Option<(u64, u64)> {
        let mut size = (0, 0);
        for slot in &self.slots {
            let slot = slot.lock();
            let unit = slot.unit.as_ref().filter(|unit| unit.is_ready())?;
            for partition in unit.partitions() {
                size.0 += partition.rows;
                size.1 += partition.bytes;
            }
        }
        Some(size)
    }

    /// Bytes that all partitions would take in memory, as they are and serialized: as many times what those take that
    /// were computed, be they lost by now, as there are more of them. Of one that was lost while it was computed it is what
    /// its first rows took, times as many as there are more rows.
    fn in_full(&self) -> (u64, u64) {
        let (mut partitions, mut bytes) = (0, 0);
        let (mut on_disk, mut bytes_of_those) = (0, 0);
        for unit in self.units().iter().filter(|unit| unit.is_computed()) {
            for partition in unit.partitions() {
                let is_gone = partition.blocks.is_empty();
                // Of one that was lost before it had a block nobody knows anything.
                let is_known = !is_gone || partition.bytes > 0 || partition.rows == 0;
                partitions += u64::from(is_known);
                if is_gone {
                    bytes += partition.bytes;
                }
                for block in &partition.blocks {
                    bytes += block.bytes();
                    if let Some(length) = block.bytes_on_disk() {
                        on_disk += length;
                        bytes_of_those += block.bytes();
                    }
                }
            }
        }
        let times = |a: u64, b: u64, c: u64| (a as u128 * b as u128 / c.max(1) as u128) as u64;
        let in_full = times(bytes, self.partitions as u64, partitions);
        (in_full, times(in_full, on_disk, bytes_of_those))
    }

    pub(crate) fn shape(&self) -> Shape {
        (self.partitions, self.in_unit, self.made_of)
    }

    pub(crate) fn count_units(&self) -> usize {
        self.slots.len()
    }

    /// The unit of a partition, and its place in it.
    pub(crate) fn place_of(&self, partition: usize) -> (usize, usize) {
        (partition / self.in_unit, partition % self.in_unit)
    }

    /// The partitions of the unit that a partition is in.
    pub(crate) fn together_with(&self, partition: usize) -> std::ops::Range<usize> {
        let first = partition / self.in_unit * self.in_unit;
        first..(first + self.in_unit).min(self.partitions)
    }

    fn units(&self) -> Vec<Arc<Unit>> {
        let slots = self.slots.iter();
        slots.filter_map(|slot| slot.lock().unit.clone()).collect()
    }

    fn was_computed(&self) -> bool {
        let slots = self.slots.iter().map(|slot| slot.lock());
        let mut slots = slots.map(|slot| {
            let unit = slot.unit.as_ref();
            slot.was_computed || unit.is_some_and(|unit| unit.is_computed())
        });
        slots.any(|computed| computed)
    }

    /// Whether anything of it is there, or on its way.
    fn is_alive(&self) -> bool {
        self.units().iter().any(|unit| unit.is_alive())
    }

    /// Begins to read all of it, if all of it is there.
    pub(crate) fn visit_all(&self) -> Option<Vec<Visit>> {
        let visit = |slot: &Mutex<Slot>| {
            let slot = slot.lock();
            let unit = slot.unit.as_ref().filter(|unit| unit.is_ready())?;
            unit.enter(true)
        };
        self.slots.iter().map(visit).collect()
    }

    /// Begins to read a partition.
    pub(crate) fn enter(&self, core: &Arc<Core>, partition: usize, reads_rows: bool) -> Entered {
        let (unit, _) = self.place_of(partition);
        let mut slot = self.slots[unit].lock();
        if let Some(unit) = slot.unit.clone() {
            slot.was_computed |= unit.is_computed();
            if let Some(visit) = unit.enter(reads_rows) {
                return Entered {
                    visit,
                    is_first: false,
                };
            }
        }
        core.counters.recomputes.add(slot.was_computed.into());
        slot.was_computed = false;
        let unit = Unit::new(Arc::clone(core), self.together_with(partition).len());
        let visit = unit.enter_first(reads_rows);
        let before = slot.unit.replace(unit);
        drop(slot);
        // Outside of the lock: with it may go blocks.
        drop(before);
        Entered {
            visit,
            is_first: true,
        }
    }
}

impl Dataset {
    /// A dataset of these rows, of which nothing is there yet.
    pub fn new(
        store: Arc<BlockStore>,
        lineage: Arc<dyn Lineage>,
        schema: &Schema,
        level: StorageLevel,
        options: CacheOptions,
    ) -> Arc<Self> {
        Arc::new(Self {
            core: Arc::new(Core {
                id: store.next_dataset(),
                level,
                options,
                schema: Arc::new(with_names_apart(schema)),
                store,
                counters: Counters::default(),
            }),
            lineage,
            generation: Mutex::default(),
        })
    }

    /// Its number: the datasets of a store are counted from 0.
    pub fn id(&self) -> u64 {
        self.core.id
    }

    /// How its blocks are kept.
    pub fn level(&self) -> StorageLevel {
        self.core.level
    }

    /// Its columns: those of the plan, under names that differ from each other.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.core.schema)
    }

    /// Rows and bytes of all of it, if all of it is there. Planning asks for it of each scan, so blocks are not looked at.
    pub(crate) fn size(&self) -> Option<(u64, u64)> {
        self.generation()?.size()
    }

    /// What there is of it. It looks at every block, so it is for those who list what is cached.
    pub fn usage(&self) -> Usage {
        let counters = &self.core.counters;
        let mut usage = Usage {
            memory: counters.in_memory.get(),
            disk: counters.on_disk.get(),
            hits: counters.hits.get(),
            misses: counters.misses.get(),
            evictions: counters.evictions.get(),
            disk_reads: counters.disk_reads.get(),
            recomputes: counters.recomputes.get(),
            ..Usage::default()
        };
        if let Some(generation) = self.generation() {
            usage.partitions = generation.partitions as u64;
            for unit in generation.units().iter().filter(|unit| unit.is_ready()) {
                for partition in unit.partitions() {
                    usage.cached_partitions += 1;
                    usage.rows += partition.rows;
                }
            }
            (usage.in_full, usage.serialized) = generation.in_full();
        }
        usage
    }

    /// Lets go of all that is there; it is computed again when it is read next. Whoever reads it now reads it to the
    /// end. Spark's `clearCache` of an `InMemoryRelation`.
    pub fn clear(&self) {
        let generation = self.generation.lock().take();
        drop(generation);
    }

    pub(crate) fn generation(&self) -> Option<Arc<Generation>> {
        self.generation.lock().clone()
    }

    /// The generation that a plan of this shape reads: the one that is there if it has the same, and a new one otherwise.
    pub(crate) fn generation_of(&self, shape: Shape, target: usize) -> Arc<Generation> {
        let mut current = self.generation.lock();
        let fits = |generation: &&Arc<Generation>| generation.shape() == shape;
        if let Some(generation) = current.as_ref().filter(fits) {
            return Arc::clone(generation);
        }
        let was_computed = current.as_ref().is_some_and(|before| before.was_computed());
        let generation = Generation::new(shape, target, was_computed);
        let before = current.replace(Arc::clone(&generation));
        drop(current);
        drop(before);
        generation
    }

    /// The partitions that a plan is to aim for: as many as the one that computed what is there.
    pub(crate) fn target(&self) -> Option<usize> {
        let generation = self.generation()?;
        generation.is_alive().then_some(generation.target)
    }
}

/// Names may repeat in a plan, under different qualifiers, but not in a table.
fn with_names_apart(schema: &Schema) -> Schema {
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        let field = field.as_ref().clone();
        match names.iter().filter(|name| **name == field.name()).count() {
            1 => field,
            _ => {
                let name = format!("{}#{at}", field.name());
                field.with_name(name)
            }
        }
    });
    Schema::new(fields.collect::<Vec<_>>())
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dataset({}, {})", self.core.id, self.core.level)
    }
}
