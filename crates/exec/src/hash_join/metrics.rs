use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, CustomMetricValue, ExecutionPlanMetricsSet, Gauge, MetricBuilder,
    MetricValue, SpillMetrics, Time,
};

/// What `EXPLAIN ANALYZE` tells of one partition of a join. The names that stock `HashJoinExec` has mean
/// the same here.
pub(crate) struct JoinMetrics {
    pub(crate) baseline: BaselineMetrics,
    pub(crate) build_time: Time,
    pub(crate) join_time: Time,
    pub(crate) build_input_batches: Count,
    pub(crate) build_input_rows: Count,
    pub(crate) build_mem_used: Gauge,
    pub(crate) input_batches: Count,
    pub(crate) input_rows: Count,
    /// Files, bytes on disk and rows of both sides that were spilled.
    pub(crate) spill: SpillMetrics,
    /// Partitions that the build side was cut into, 0 if it was not.
    pub(crate) partitions: Gauge,
    /// Partitions that went to disk, at all depths.
    pub(crate) spilled_partitions: Count,
    /// The deepest that partitions were cut again.
    pub(crate) depth: Arc<Most>,
    /// Build rows of the key that has most, where the rows of one alone did not fit.
    pub(crate) hottest_key_rows: Arc<Most>,
    /// Passes over the probe rows of partitions whose build rows were joined in chunks.
    pub(crate) passes: Count,
    /// Times that memory was taken back while the join was idle.
    pub(crate) reclaimed: Count,
}

impl JoinMetrics {
    pub(crate) fn new(partition: usize, set: &ExecutionPlanMetricsSet) -> Self {
        let build = || MetricBuilder::new(set);
        let most = |name: &'static str| {
            let most = Arc::new(Most::default());
            build()
                .with_partition(partition)
                .build(MetricValue::Custom {
                    name: Cow::Borrowed(name),
                    value: Arc::clone(&most) as _,
                });
            most
        };
        Self {
            baseline: BaselineMetrics::new(set, partition),
            build_time: build().subset_time("build_time", partition),
            join_time: build().subset_time("join_time", partition),
            build_input_batches: build().counter("build_input_batches", partition),
            build_input_rows: build().counter("build_input_rows", partition),
            build_mem_used: build().peak_memory_usage("build_mem_used", partition),
            input_batches: build().counter("input_batches", partition),
            input_rows: build().counter("input_rows", partition),
            spill: SpillMetrics::new(set, partition),
            partitions: build().gauge("partitions", partition),
            spilled_partitions: build().counter("spilled_partitions", partition),
            depth: most("depth"),
            hottest_key_rows: most("hottest_key_rows"),
            passes: build().counter("passes", partition),
            reclaimed: build().counter("reclaimed", partition),
        }
    }
}

impl Drop for JoinMetrics {
    fn drop(&mut self) {
        self.baseline.elapsed_compute().add(&self.build_time);
        self.baseline.elapsed_compute().add(&self.join_time);
    }
}

/// A metric of which not the sum over the partitions is told, but the largest value.
#[derive(Debug, Default)]
pub(crate) struct Most(AtomicUsize);

impl Most {
    pub(crate) fn set_max(&self, value: usize) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Most {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl CustomMetricValue for Most {
    fn new_empty(&self) -> Arc<dyn CustomMetricValue> {
        Arc::new(Self::default())
    }

    fn aggregate(&self, other: Arc<dyn CustomMetricValue>) {
        self.set_max(other.as_usize());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_usize(&self) -> usize {
        self.get()
    }

    fn is_eq(&self, other: &Arc<dyn CustomMetricValue>) -> bool {
        other
            .as_any()
            .downcast_ref::<Self>()
            .is_some_and(|other| other.get() == self.get())
    }
}
