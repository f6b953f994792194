//! The statements and calls about cached plans.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::config::SpillCompression;
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, lit};
use plimsoll_conf::settings::{Codec, StorageLevel};
use plimsoll_storage::{CacheOptions, Dataset};

use super::{Answer, Session, internal, quoted};
use crate::answers;
use crate::cache::{CachedPlan, Compared, root_of};
use crate::command::{Cache, View};
use crate::error::Error;
use crate::event::EventKind;
use crate::query::{Rows, Undo};

/// What a request to cache a plan came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persisted {
    /// Whether the plan was not cached before; if it was, it stays as it was cached.
    pub is_new: bool,
    /// What is not as it was asked for.
    pub notices: Vec<String>,
}

impl Session {
    /// Caches the rows of a plan, from when they are first read; without a level, at `spark.sql.defaultCacheStorageLevel`.
    /// Whatever plan has it in it reads them from the cache, in all sessions of the process. Spark's `Dataset.persist`.
    ///
    /// # Errors
    /// If the plan does not fit together, or holds what cannot be compared: a recursive query.
    pub fn persist(
        &self,
        plan: &LogicalPlan,
        name: Option<&str>,
        level: Option<StorageLevel>,
    ) -> Result<Persisted, Error> {
        let (dataset, notices) = self.cache_plan(plan, name, level)?;
        Ok(Persisted {
            is_new: dataset.is_some(),
            notices,
        })
    }

    /// What a plan is cached as now, if it was not before, and what is not as it was asked for.
    fn cache_plan(
        &self,
        plan: &LogicalPlan,
        name: Option<&str>,
        level: Option<StorageLevel>,
    ) -> Result<(Option<Arc<Dataset>>, Vec<String>), Error> {
        let settings = self.conf().settings()?;
        let level = level.unwrap_or(settings.sql.cache.level);
        // As in Spark: nothing would ever be cached.
        if !level.disk && !level.memory {
            return Ok((None, Vec::new()));
        }
        let options = CacheOptions {
            rows: settings.sql.cache.batch_size as usize,
            compression: match settings.sql.cache.codec {
                None => SpillCompression::Uncompressed,
                Some(Codec::Zstd) => SpillCompression::Zstd,
                Some(_) => SpillCompression::Lz4Frame,
            },
            pruning: settings.sql.cache.pruning,
        };
        let name = name.map_or_else(|| root_of(plan), str::to_owned);
        let compared = self.compared(plan.clone())?;
        let cached = self.shared.cache.cache(compared, &name, level, options);
        let dataset = cached.ok_or_else(|| {
            Error::NotSupported(format!(
                "{name} cannot be cached: a plan with a recursive query in it cannot be found in another"
            ))
        })?;
        if dataset.is_some() {
            self.shared.status.events.tell(|| EventKind::Persisted {
                name: name.clone(),
                level: level.to_string(),
            });
        }
        let notices = match &dataset {
            Some(_) => self.about(level).into_iter().collect(),
            None => vec![format!("{name} is cached already, and stays as it is")],
        };
        Ok((dataset, notices))
    }

    /// What a person should know of a level here.
    fn about(&self, level: StorageLevel) -> Option<String> {
        let off_heap = self.layout().executor.off_heap.bytes;
        match level {
            StorageLevel {
                replication: 2.., ..
            } => Some(format!(
                "{level}: there is one executor, and it keeps one copy"
            )),
            StorageLevel { off_heap: true, .. } if off_heap == 0 => Some(format!(
                "{level}: there is no off-heap memory, so the rows go to disk; spark.memory.offHeap.enabled=true and \
                 spark.memory.offHeap.size=… make some"
            )),
            _ => None,
        }
    }

    /// How a plan is cached, if it is.
    ///
    /// # Errors
    /// If the plan does not fit together.
    pub fn storage_level(&self, plan: &LogicalPlan) -> Result<Option<StorageLevel>, Error> {
        if self.shared.cache.is_empty() {
            return Ok(None);
        }
        Ok(self.shared.cache.level(&self.compared(plan.clone())?))
    }

    /// Caches a plan no longer, and says whether it was cached. Queries that read it now read it to the end. Spark's
    /// `Dataset.unpersist`.
    ///
    /// # Errors
    /// If the plan does not fit together.
    pub fn unpersist(&self, plan: &LogicalPlan) -> Result<bool, Error> {
        if self.shared.cache.is_empty() {
            return Ok(false);
        }
        let plan = self.compared(plan.clone())?;
        let unpersisted = self.shared.cache.uncache(&plan);
        if let Some(name) = &unpersisted {
            self.tell_unpersisted(name);
        }
        Ok(unpersisted.is_some())
    }

    /// Caches nothing any more: Spark's `spark.catalog.clearCache()`.
    pub fn clear_cache(&self) {
        self.shared.cache.clear();
        let events = &self.shared.status.events;
        events.tell(|| EventKind::Unpersisted { name: None });
    }

    /// What is cached, by all sessions of the process.
    pub fn cached(&self) -> Vec<CachedPlan> {
        self.shared.cache.list()
    }

    /// Lets go of cached rows that were computed from this plan of a table; they are computed again when they are read
    /// next. Spark's `spark.catalog.refreshTable`.
    ///
    /// # Errors
    /// If the plan does not fit together.
    pub fn refresh(&self, table: &LogicalPlan) -> Result<(), Error> {
        if !self.shared.cache.is_empty() {
            self.shared
                .cache
                .refresh(&self.compared(table.clone())?.plan);
        }
        Ok(())
    }

    /// Lets go of cached rows that were computed from files at or below a path. Spark's
    /// `spark.catalog.refreshByPath`.
    pub fn refresh_path(&self, path: &str) {
        self.shared.cache.refresh_path(path);
    }

    fn time_zone(&self) -> Option<String> {
        self.in_force().read().settings.sql.time_zone.clone()
    }

    /// A plan as plans are compared.
    pub(super) fn compared(&self, plan: LogicalPlan) -> Result<Compared, Error> {
        self.analysed(plan).map_err(Error::planning_of)
    }

    pub(super) fn analysed(&self, plan: LogicalPlan) -> datafusion::common::Result<Compared> {
        let state = self.state();
        let options = state.config_options();
        Ok(Compared {
            plan: state
                .analyzer()
                .execute_and_check(plan, options, |_, _| {})?,
            zone: self.time_zone(),
        })
    }

    /// Takes a table or view out of the session, and what was cached under its name out of the cache, unless `instead` is the
    /// same: as Spark's `DROP VIEW` and `CREATE OR REPLACE` do. What was cached as a DataFrame stays.
    pub(super) fn take_table(
        &self,
        name: &str,
        instead: Option<&LogicalPlan>,
    ) -> Result<Option<Arc<dyn TableProvider>>, Error> {
        let taken = self
            .context
            .deregister_table(quoted(name))
            .map_err(internal)?;
        if let Some(table) = &taken {
            self.uncache_dropped(table, instead, Some(name))?;
        }
        Ok(taken)
    }

    /// Takes a temporary view out of the session, and its plan out of the cache, however it came there; says whether there was
    /// one. Spark's `dropTempView`.
    ///
    /// # Errors
    /// If the session's catalog refuses.
    pub fn drop_temp_view(&self, name: &str) -> Result<bool, Error> {
        let taken = self
            .context
            .deregister_table(quoted(name))
            .map_err(internal)?;
        if let Some(table) = &taken {
            self.uncache_dropped(table, None, None)?;
        }
        Ok(taken.is_some())
    }

    /// Takes what is cached of a view that is no longer there out of the cache: whatever it was cached as, or what was
    /// cached under its name.
    pub(super) fn uncache_dropped(
        &self,
        table: &Arc<dyn TableProvider>,
        instead: Option<&LogicalPlan>,
        name: Option<&str>,
    ) -> Result<(), Error> {
        if self.shared.cache.is_empty() {
            return Ok(());
        }
        let dropped =
            LogicalPlanBuilder::scan("dropped", provider_as_source(Arc::clone(table)), None)
                .and_then(LogicalPlanBuilder::build)
                .map_err(internal)?;
        let dropped = self.compared(dropped)?;
        let stays = match instead {
            Some(instead) => dropped.is_same_as(&self.compared(instead.clone())?),
            None => false,
        };
        if !stays {
            let unpersisted = self.shared.cache.uncache_as(&dropped, name);
            if let Some(name) = &unpersisted {
                self.tell_unpersisted(name);
            }
        }
        Ok(())
    }

    fn tell_unpersisted(&self, name: &str) {
        let events = &self.shared.status.events;
        events.tell(|| EventKind::Unpersisted {
            name: Some(name.to_owned()),
        });
    }

    /// The plan with whatever of it is cached read from the cache.
    pub(super) fn with_cached(&self, plan: LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
        match self.shared.cache.is_empty() {
            true => Ok(plan),
            false => self.shared.cache.with_cached(self.analysed(plan)?, None),
        }
    }

    /// `CACHE TABLE`; unless it is lazy, the answer has to be read to its end, which computes the rows.
    pub(super) async fn cache_table(&self, cache: &Cache) -> Result<Answer, Error> {
        let (level, mut notices) = level_of(&cache.options)?;
        if let Some(query) = &cache.query {
            let view = View {
                name: cache.name.clone(),
                replace: false,
            };
            self.view_of_query(&view, query.clone()).await?;
        }
        let undo_view = self.undo_cache(cache, None);
        let plan = self.known_table(&cache.name).await?;
        let (dataset, more) = self.cache_plan(&plan, Some(&cache.name), level)?;
        notices.extend(more);
        let undo = self.undo_cache(cache, dataset);
        undo_view.forget();
        if cache.is_lazy {
            undo.forget();
            return Ok(Answer::done(notices));
        }
        let rows = self.count_rows(plan, &cache.name).await?;
        Ok(Answer {
            rows: Some(Rows::unseen(rows, undo)),
            notices,
        })
    }

    /// What has to be done if a table that was to be cached is not: nothing of it stays.
    fn undo_cache(&self, cache: &Cache, dataset: Option<Arc<Dataset>>) -> Undo {
        let (context, shared) = (self.context.clone(), Arc::clone(&self.shared));
        let (name, made_view) = (cache.name.clone(), cache.query.is_some());
        Undo::new(move || {
            if let Some(dataset) = dataset {
                shared.cache.uncache_dataset(&dataset);
            }
            if made_view {
                // It was made a moment ago; if it is gone, so much the better.
                let _ = context.deregister_table(quoted(&name));
            }
        })
    }

    async fn count_rows(&self, plan: LogicalPlan, name: &str) -> Result<Rows, Error> {
        let counted = LogicalPlanBuilder::from(plan)
            .aggregate(
                Vec::<datafusion::logical_expr::Expr>::new(),
                [count(lit(1))],
            )
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)?;
        self.run_plan(counted, &format!("CACHE TABLE {name}")).await
    }

    /// A table or view of the session.
    pub(super) async fn known_table(&self, name: &str) -> Result<LogicalPlan, Error> {
        let plan = self.table(name).await?;
        plan.ok_or_else(|| Error::unknown_table(name))
    }

    pub(super) async fn uncache_table(&self, name: &str, if_exists: bool) -> Result<Answer, Error> {
        match self.table(name).await? {
            Some(plan) => {
                self.unpersist(&plan)?;
            }
            None if if_exists => {}
            None => return Err(Error::unknown_table(name)),
        }
        Ok(Answer::done(Vec::new()))
    }

    pub(super) async fn refresh_table(&self, name: &str) -> Result<Answer, Error> {
        self.refresh(&self.known_table(name).await?)?;
        Ok(Answer::done(Vec::new()))
    }

    pub(super) fn show_cache(&self) -> Result<Answer, Error> {
        self.answer(answers::cached(&self.cached()))
    }
}

/// The level that the options of CACHE TABLE ask for, and what else they have.
fn level_of(
    options: &std::collections::BTreeMap<String, String>,
) -> Result<(Option<StorageLevel>, Vec<String>), Error> {
    let level = options.get("storagelevel").map(|level| {
        // PySpark's name for what SQL calls MEMORY_AND_DISK.
        let level = level.strip_suffix("_DESER").unwrap_or(level);
        let read = level.parse::<StorageLevel>();
        read.map_err(|error| {
            Error::NotSupported(format!("the storageLevel of CACHE TABLE: {error}"))
        })
    });
    let others = options.keys().filter(|key| *key != "storagelevel");
    let notices = others
        .map(|key| format!("CACHE TABLE has the option storageLevel, and no {key}"))
        .collect();
    Ok((level.transpose()?, notices))
}
