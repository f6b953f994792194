//! The typed far end: [`Settings`] are what other crates read. No setting has a text for a name past this module.

mod words;

use crate::conf::{Conf, ConfError};
use crate::kind::Read;
use crate::origin::{Origin, Setting};
use crate::property::{self as p, Key, Missing};
use crate::size::fmt_bytes;
use std::num::NonZeroU64;
use std::path::PathBuf;
pub use words::{Codec, LogLevel, Master, StorageLevel};

/// Everything that was asked for, read and checked. Sizes are bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where queries run.
    pub master: Master,
    /// The name of the application.
    pub app_name: String,
    /// How much is logged.
    pub log_level: LogLevel,
    /// Directories for spill and cache files; at least one.
    pub local_dirs: Vec<PathBuf>,
    /// What concerns the files that are spilled to.
    pub spill: SpillSettings,
    /// What makes the line and divides it.
    pub memory: MemorySettings,
    /// What Spark would ask a cluster manager for.
    pub deploy: DeploySettings,
    /// What concerns SQL.
    pub sql: SqlSettings,
    /// What the driver remembers of past work.
    pub history: HistorySettings,
}

/// What the driver remembers of past work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// Queries that are over: the least of `spark.sql.ui.retainedExecutions`, `spark.ui.retainedJobs` and
    /// `spark.ui.retainedStages`, as a query is one job of one stage.
    pub retained: u32,
    /// `spark.sql.event.truncate.length`: characters of a statement.
    pub text: u32,
}

/// What concerns the files that are spilled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpillSettings {
    /// What they are compressed with: [`Codec::Lz4`] or [`Codec::Zstd`]; `None` for not at all.
    pub codec: Option<Codec>,
    /// `spark.plimsoll.spill.maxSize` in bytes, when set.
    pub max_size: Option<u64>,
}

/// What makes the line and divides it.
#[derive(Clone, Debug, PartialEq)]
pub struct MemorySettings {
    /// `spark.plimsoll.memory`, when set.
    pub line: Option<Setting<LineRequest>>,
    /// `spark.plimsoll.memory.reserved`, when set, in bytes.
    pub reserved: Option<Setting<u64>>,
    /// `spark.plimsoll.memory.lending`.
    pub lending: bool,
    /// `spark.driver.memory` in bytes.
    pub driver: Setting<u64>,
    /// `spark.executor.memory` in bytes.
    pub executor: Setting<u64>,
    /// `spark.memory.fraction`, above 0 and up to 1.
    pub fraction: Setting<f64>,
    /// `spark.memory.storageFraction`, from 0 and below 1.
    pub storage_fraction: Setting<f64>,
    /// `spark.memory.offHeap.size` in bytes, when off-heap memory is enabled.
    pub off_heap: Option<Setting<NonZeroU64>>,
    /// `spark.driver.maxResultSize` in bytes; `None` for no limit.
    pub max_result_size: Option<NonZeroU64>,
}

/// What `spark.plimsoll.memory` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineRequest {
    /// So many bytes.
    Bytes(u64),
    /// As much as the container gives, or most of the machine where there is no container.
    Auto,
}

/// What Spark would ask a cluster manager for.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploySettings {
    /// `spark.driver.memoryOverhead` and its kin.
    pub driver_overhead: OverheadSettings,
    /// `spark.executor.memoryOverhead` and its kin.
    pub executor_overhead: OverheadSettings,
    /// `spark.kubernetes.memoryOverheadFactor`, when set.
    pub kubernetes_factor: Option<Setting<f64>>,
    /// `spark.executor.pyspark.memory` in bytes, for all Python workers of an executor together.
    pub pyspark: Option<Setting<u64>>,
    /// `spark.executor.cores`.
    pub executor_cores: u32,
    /// `spark.executor.instances`, when set.
    pub executor_instances: Option<u32>,
}

/// How Spark sizes what it adds to a container.
#[derive(Clone, Debug, PartialEq)]
pub struct OverheadSettings {
    /// `memoryOverhead` in bytes; it settles the matter when set.
    pub fixed: Option<Setting<u64>>,
    /// `memoryOverheadFactor`, with whether it was set, which matters on Kubernetes.
    pub factor: Setting<f64>,
    /// `minMemoryOverhead` in bytes.
    pub minimum: u64,
}

/// What concerns SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlSettings {
    /// `spark.sql.autoBroadcastJoinThreshold` in bytes; `None` when switched off.
    pub auto_broadcast_join_threshold: Option<u64>,
    /// `spark.sql.maxBroadcastTableSize` in bytes.
    pub max_broadcast_table_size: u64,
    /// `spark.sql.session.timeZone`; `None` for that of the machine.
    pub time_zone: Option<String>,
    /// `spark.sql.shuffle.partitions`: how many partitions an operator aims for when it must partition.
    pub shuffle_partitions: u32,
    /// `spark.sql.variable.substitute`.
    pub variable_substitute: bool,
    /// What concerns cached data.
    pub cache: CacheSettings,
}

/// What concerns cached data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// `spark.sql.defaultCacheStorageLevel`.
    pub level: StorageLevel,
    /// What they are compressed with at serialized levels and on disk: [`Codec::Lz4`] or [`Codec::Zstd`]; `None` for not at
    /// all.
    pub codec: Option<Codec>,
    /// `spark.sql.inMemoryColumnarStorage.batchSize`: rows in one block, at most.
    pub batch_size: u32,
    /// `spark.sql.inMemoryColumnarStorage.partitionPruning`.
    pub pruning: bool,
}

impl Conf {
    /// Reads everything into its typed form.
    ///
    /// # Errors
    /// [`ConfError::OffHeapWithoutSize`]. A value that does not suit was refused when it came in; should one be there
    /// nevertheless, it is [`ConfError::Value`] again.
    pub fn settings(&self) -> Result<Settings, ConfError> {
        let level = self.read_optional(&p::LOG_LEVEL)?;
        Ok(Settings {
            master: self.read(&p::MASTER)?.value,
            app_name: self.read(&p::APP_NAME)?.value,
            log_level: level.map_or(LogLevel::Warn, |level| level.value),
            local_dirs: self.read(&p::LOCAL_DIR)?.value,
            spill: self.spill_settings()?,
            memory: self.memory_settings()?,
            deploy: self.deploy_settings()?,
            sql: SqlSettings {
                auto_broadcast_join_threshold: self.read(&p::AUTO_BROADCAST_JOIN_THRESHOLD)?.value,
                max_broadcast_table_size: self.read(&p::MAX_BROADCAST_TABLE_SIZE)?.value,
                time_zone: self.read_optional(&p::TIME_ZONE)?.map(|zone| zone.value),
                shuffle_partitions: self.read(&p::SHUFFLE_PARTITIONS)?.value,
                variable_substitute: self.read(&p::VARIABLE_SUBSTITUTE)?.value,
                cache: self.cache_settings()?,
            },
            history: self.history_settings()?,
        })
    }

    fn history_settings(&self) -> Result<HistorySettings, ConfError> {
        let executions = self.read(&p::RETAINED_EXECUTIONS)?.value;
        let jobs = self.read(&p::RETAINED_JOBS)?.value;
        let stages = self.read(&p::RETAINED_STAGES)?.value;
        Ok(HistorySettings {
            retained: executions.min(jobs).min(stages),
            text: self.read(&p::TRUNCATE_LENGTH)?.value,
        })
    }

    fn spill_settings(&self) -> Result<SpillSettings, ConfError> {
        let codec = self.read(&p::COMPRESSION_CODEC)?.value.in_use();
        let compress = self.read(&p::SPILL_COMPRESS)?.value;
        let max_size = self.read_optional(&p::SPILL_MAX_SIZE)?;
        Ok(SpillSettings {
            codec: compress.then_some(codec),
            max_size: max_size.map(|size| size.value),
        })
    }

    fn cache_settings(&self) -> Result<CacheSettings, ConfError> {
        let codec = self.read(&p::COMPRESSION_CODEC)?.value.in_use();
        Ok(CacheSettings {
            level: self.read(&p::DEFAULT_CACHE_STORAGE_LEVEL)?.value,
            codec: self.read(&p::CACHE_COMPRESSED)?.value.then_some(codec),
            batch_size: self.read(&p::CACHE_BATCH_SIZE)?.value,
            pruning: self.read(&p::CACHE_PRUNING)?.value,
        })
    }

    fn memory_settings(&self) -> Result<MemorySettings, ConfError> {
        let line = self.read_optional(&p::LINE)?;
        Ok(MemorySettings {
            line: line
                .map(|line| line.map(|bytes| bytes.map_or(LineRequest::Auto, LineRequest::Bytes))),
            reserved: self.read_optional(&p::RESERVED)?,
            lending: self.read(&p::LENDING)?.value,
            driver: self.read(&p::DRIVER_MEMORY)?,
            executor: self.read(&p::EXECUTOR_MEMORY)?,
            fraction: self.read(&p::MEMORY_FRACTION)?,
            storage_fraction: self.read(&p::STORAGE_FRACTION)?,
            off_heap: self.off_heap()?,
            max_result_size: NonZeroU64::new(self.read(&p::MAX_RESULT_SIZE)?.value),
        })
    }

    /// Spark refuses off-heap memory without a size when `MemoryManager` starts; so does this.
    fn off_heap(&self) -> Result<Option<Setting<NonZeroU64>>, ConfError> {
        let enabled = self.read(&p::OFF_HEAP_ENABLED)?;
        let size = self.read(&p::OFF_HEAP_SIZE)?;
        match (enabled.value, NonZeroU64::new(size.value)) {
            (false, _) => Ok(None),
            (true, Some(bytes)) => Ok(Some(size.map(|_| bytes))),
            (true, None) => Err(ConfError::OffHeapWithoutSize {
                enabled: enabled.origin,
                size: fmt_bytes(size.value),
                sized: size.origin,
            }),
        }
    }

    fn deploy_settings(&self) -> Result<DeploySettings, ConfError> {
        let kubernetes = self.read(&p::KUBERNETES_OVERHEAD_FACTOR)?;
        let instances = self.read_optional(&p::EXECUTOR_INSTANCES)?;
        Ok(DeploySettings {
            driver_overhead: OverheadSettings {
                fixed: self.read_optional(&p::DRIVER_OVERHEAD)?,
                factor: self.read(&p::DRIVER_OVERHEAD_FACTOR)?,
                minimum: self.read(&p::DRIVER_MIN_OVERHEAD)?.value,
            },
            executor_overhead: OverheadSettings {
                fixed: self.read_optional(&p::EXECUTOR_OVERHEAD)?,
                factor: self.read(&p::EXECUTOR_OVERHEAD_FACTOR)?,
                minimum: self.read(&p::EXECUTOR_MIN_OVERHEAD)?.value,
            },
            kubernetes_factor: Some(kubernetes).filter(|factor| factor.origin.is_explicit()),
            pyspark: self.read_optional(&p::PYSPARK_MEMORY)?,
            executor_cores: self.read(&p::EXECUTOR_CORES)?.value,
            executor_instances: instances.map(|instances| instances.value),
        })
    }

    fn read<K: Read>(&self, key: &Key<K>) -> Result<Setting<K::Value>, ConfError> {
        match self.setting(key.name) {
            Some(setting) => read(key.name, &key.kind, setting),
            None => {
                let default = Setting {
                    value: key.default.to_owned(),
                    origin: Origin::Default,
                };
                read(key.name, &key.kind, &default)
            }
        }
    }

    fn read_optional<K: Read>(
        &self,
        key: &Key<K, Missing>,
    ) -> Result<Option<Setting<K::Value>>, ConfError> {
        self.setting(key.name)
            .map(|setting| read(key.name, &key.kind, setting))
            .transpose()
    }
}

fn read<K: Read>(
    key: &'static str,
    kind: &K,
    setting: &Setting<String>,
) -> Result<Setting<K::Value>, ConfError> {
    let Setting {
        value: text,
        origin,
    } = setting;
    match kind.read(text) {
        Ok(value) => Ok(Setting {
            value,
            origin: origin.clone(),
        }),
        Err(reason) => Err(ConfError::value(key, text, origin, reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::GIB;

    #[test]
    fn nothing_set_reads_as_spark_has_it() {
        let settings = Conf::default().settings().unwrap();
        assert_eq!(settings.master, Master::Local { threads: None });
        assert_eq!(
            settings.memory.executor,
            Setting {
                value: GIB,
                origin: Origin::Default
            }
        );
        assert_eq!(settings.memory.line, None);
        assert_eq!(settings.memory.max_result_size, NonZeroU64::new(GIB));
        assert_eq!(settings.sql.auto_broadcast_join_threshold, Some(10 << 20));
    }

    #[test]
    fn off_heap_memory_is_refused_without_a_size_and_says_which_setting_to_give() {
        let mut conf = Conf::default();
        conf.set(
            "spark.memory.offHeap.enabled",
            "true",
            Origin::Conf("--conf".into()),
        )
        .unwrap();
        let error = conf.settings().unwrap_err().to_string();
        assert!(
            error.contains("true (--conf)") && error.contains("spark.memory.offHeap.size=1g"),
            "{error}"
        );
        conf.set("spark.memory.offHeap.size", "1g", Origin::Code)
            .unwrap();
        assert_eq!(
            conf.settings()
                .unwrap()
                .memory
                .off_heap
                .unwrap()
                .value
                .get(),
            GIB
        );
    }

    #[test]
    fn minus_one_switches_automatic_broadcast_off() {
        let mut conf = Conf::default();
        conf.set("spark.sql.autoBroadcastJoinThreshold", "-1", Origin::Set)
            .unwrap();
        assert_eq!(
            conf.settings().unwrap().sql.auto_broadcast_join_threshold,
            None
        );
    }

    #[test]
    fn the_least_of_what_bounds_the_history_wins() {
        let mut conf = Conf::default();
        assert_eq!(conf.settings().unwrap().history.retained, 1000);
        conf.set("spark.ui.retainedJobs", "7", Origin::Set).unwrap();
        assert_eq!(conf.settings().unwrap().history.retained, 7);
        conf.set("spark.sql.ui.retainedExecutions", "0", Origin::Set)
            .unwrap();
        assert_eq!(conf.settings().unwrap().history.retained, 0);
    }

    #[test]
    fn auto_is_a_line() {
        let mut conf = Conf::default();
        conf.set("spark.plimsoll.memory", "auto", Origin::Set)
            .unwrap();
        assert_eq!(
            conf.settings().unwrap().memory.line.unwrap().value,
            LineRequest::Auto
        );
    }
}
