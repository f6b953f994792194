use std::sync::{Arc, Weak};

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use parking_lot::RwLock;
use plimsoll_conf::settings::StorageLevel;
use plimsoll_storage::{BlockStore, CacheOptions, CachedTable, Dataset, Lineage, Usage};
use serde::Serialize;

use super::canonical::{Canonical, canonical, replace_known};
use crate::source::FileTable;

/// A cached plan, for whoever asks what is cached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CachedPlan {
    /// The table or view that was cached, or the root of the plan if it was not by name.
    pub name: String,
    /// How its blocks are kept.
    #[serde(serialize_with = "as_text")]
    pub level: StorageLevel,
    /// What there is of it.
    #[serde(flatten)]
    pub usage: Usage,
}

fn as_text<S: serde::Serializer>(
    level: &StorageLevel,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    to.collect_str(level)
}

/// The cached plans of a process, and how they are found in other plans; Spark's `CacheManager`. Plans come here
/// analysed and not optimized, as they are compared.
pub(crate) struct CacheManager {
    store: Arc<BlockStore>,
    cached: RwLock<Vec<Arc<Cached>>>,
}

/// A plan as it is compared: what it computes, and what its functions heed beside.
pub(crate) struct Compared {
    pub(crate) plan: LogicalPlan,
    /// The time zone of the session.
    pub(crate) zone: Option<String>,
}

impl Compared {
    /// Whether both give the same rows.
    pub(crate) fn is_same_as(&self, other: &Compared) -> bool {
        let forms = (canonical(&self.plan), canonical(&other.plan));
        self.zone == other.zone && matches!(forms, (Some(a), Some(b)) if a == b)
    }
}

/// A plan that is cached.
struct Cached {
    canonical: Arc<Canonical>,
    plan: LogicalPlan,
    zone: Option<String>,
    name: String,
    dataset: Arc<Dataset>,
}

impl Cached {
    fn is(&self, canonical: &Canonical, zone: &Option<String>) -> bool {
        *self.canonical == *canonical && self.zone == *zone
    }

    fn reads(&self, what: &Canonical) -> bool {
        let mut reads = false;
        // Nothing is put in its place, so nothing can fail to fit.
        let _ = replace_known(self.plan.clone(), &mut |part, _| {
            reads |= part == what;
            None
        });
        reads
    }
}

impl CacheManager {
    pub(crate) fn new(store: Arc<BlockStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            cached: RwLock::default(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cached.read().is_empty()
    }

    /// Caches a plan, and gives what it is cached as, or nothing if it was cached before; nothing is computed. `None` if it
    /// holds what cannot be compared, and so could never be found.
    pub(crate) fn cache(
        self: &Arc<Self>,
        Compared { plan, zone }: Compared,
        name: &str,
        level: StorageLevel,
        options: CacheOptions,
    ) -> Option<Option<Arc<Dataset>>> {
        let canonical = canonical(&plan)?;
        let mut cached = self.cached.write();
        if cached.iter().any(|other| other.is(&canonical, &zone)) {
            return Some(None);
        }
        let lineage = PlanLineage {
            plan: plan.clone(),
            zone: zone.clone(),
            canonical: Arc::clone(&canonical),
            manager: Arc::downgrade(self),
        };
        let schema = plan.schema().as_arrow().clone();
        let store = Arc::clone(&self.store);
        let dataset = Dataset::new(store, Arc::new(lineage), &schema, level, options);
        cached.push(Arc::new(Cached {
            canonical,
            zone,
            name: name.to_owned(),
            dataset: Arc::clone(&dataset),
            plan,
        }));
        Some(Some(dataset))
    }

    fn find(&self, sought: &Compared) -> Option<Arc<Cached>> {
        let canonical = canonical(&sought.plan)?;
        let cached = self.cached.read();
        let mut same = cached.iter();
        same.find(|cached| cached.is(&canonical, &sought.zone))
            .cloned()
    }

    /// How a plan is cached, if it is.
    pub(crate) fn level(&self, plan: &Compared) -> Option<StorageLevel> {
        self.find(plan).map(|cached| cached.dataset.level())
    }

    /// Caches a plan no longer, and gives the name that it had, if it was cached. Others that were computed from it stay: Spark's `uncacheQuery`
    /// without `cascade`.
    pub(crate) fn uncache(&self, plan: &Compared) -> Option<String> {
        self.uncache_as(plan, None)
    }

    /// Caches a plan no longer, if it was cached under this name, and gives the name that it had, if it was.
    pub(crate) fn uncache_as(&self, plan: &Compared, name: Option<&str>) -> Option<String> {
        let has_name =
            |cached: &Arc<Cached>| name.is_none_or(|name| cached.name.eq_ignore_ascii_case(name));
        let found = self.find(plan).filter(has_name)?;
        self.cached
            .write()
            .retain(|cached| !Arc::ptr_eq(cached, &found));
        found.dataset.clear();
        Some(found.name.clone())
    }

    /// Lets go of what a plan was cached as.
    pub(crate) fn uncache_dataset(&self, dataset: &Arc<Dataset>) {
        let mut cached = self.cached.write();
        cached.retain(|cached| !Arc::ptr_eq(&cached.dataset, dataset));
        drop(cached);
        dataset.clear();
    }

    /// Caches nothing any more.
    pub(crate) fn clear(&self) {
        let cached = std::mem::take(&mut *self.cached.write());
        for cached in cached {
            cached.dataset.clear();
        }
    }

    /// Lets go of the rows that were computed from a table, of this plan; they are computed again when they are read next.
    pub(crate) fn refresh(&self, table: &LogicalPlan) {
        let Some(table) = canonical(table) else {
            return;
        };
        self.clear_those(|cached| cached.reads(&table));
    }

    /// Lets go of the rows that were computed from files at or below a path.
    pub(crate) fn refresh_path(&self, path: &str) {
        self.clear_those(|cached| reads_path(&cached.plan, path));
    }

    fn clear_those(&self, concerned: impl Fn(&Cached) -> bool) {
        let cached = self.cached.read().clone();
        for cached in cached.iter().filter(|cached| concerned(cached)) {
            cached.dataset.clear();
        }
    }

    /// The plan with whatever of it is cached read from the cache; but for `itself`.
    ///
    /// # Errors
    /// If the plan does not fit together any more.
    pub(crate) fn with_cached(
        &self,
        Compared { plan, zone }: Compared,
        itself: Option<&Canonical>,
    ) -> Result<LogicalPlan> {
        let cached = self.cached.read().clone();
        let mut failed = None;
        let replaced = replace_known(plan, &mut |part, _| {
            let is_wanted = |cached: &&Arc<Cached>| {
                cached.is(part, &zone) && itself.is_none_or(|itself| itself != part)
            };
            let found = cached.iter().find(is_wanted)?;
            match scan(found) {
                Ok(scan) => Some(scan),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        failed.map_or(replaced, Err)
    }

    /// The name of what is cached as this dataset.
    pub(crate) fn name_of(&self, dataset: u64) -> Option<String> {
        let cached = self.cached.read();
        let is_it = |cached: &&Arc<Cached>| cached.dataset.id() == dataset;
        cached.iter().find(is_it).map(|cached| cached.name.clone())
    }

    /// What is cached.
    pub(crate) fn list(&self) -> Vec<CachedPlan> {
        let cached = self.cached.read();
        let plan = |cached: &Arc<Cached>| CachedPlan {
            name: cached.name.clone(),
            level: cached.dataset.level(),
            usage: cached.dataset.usage(),
        };
        cached.iter().map(plan).collect()
    }
}

fn scan(cached: &Cached) -> Result<LogicalPlan> {
    let table = CachedTable::new(Arc::clone(&cached.dataset));
    LogicalPlanBuilder::scan("cached", provider_as_source(Arc::new(table)), None)?.build()
}

/// How the rows of a cached plan are computed: from what else is cached, where there is such.
struct PlanLineage {
    plan: LogicalPlan,
    zone: Option<String>,
    canonical: Arc<Canonical>,
    manager: Weak<CacheManager>,
}

impl Lineage for PlanLineage {
    fn plan(&self) -> Result<LogicalPlan> {
        match self.manager.upgrade() {
            Some(manager) => {
                let compared = Compared {
                    plan: self.plan.clone(),
                    zone: self.zone.clone(),
                };
                manager.with_cached(compared, Some(&self.canonical))
            }
            None => Ok(self.plan.clone()),
        }
    }
}

/// The first node of a plan, in a few words: what stands for a plan that has no name.
pub(crate) fn root_of(plan: &LogicalPlan) -> String {
    const WIDTH: usize = 60;
    let mut root = plan;
    while let LogicalPlan::SubqueryAlias(alias) = root {
        root = &alias.input;
    }
    let mut words = root.display().to_string();
    if let Some((at, _)) = words.char_indices().nth(WIDTH) {
        words.truncate(at);
        words.push('…');
    }
    words
}

/// Whether a plan reads files at or below a path.
fn reads_path(plan: &LogicalPlan, path: &str) -> bool {
    let mut reads = false;
    let visited = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(table) = source_as_provider(&scan.source)
            && let Some(files) = table.downcast_ref::<FileTable>()
        {
            reads |= files.is_at_or_below(path);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    // What cannot be looked into had better be computed again.
    reads || visited.is_err()
}
