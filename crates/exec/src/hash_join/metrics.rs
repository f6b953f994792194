use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, SpillMetrics, Time,
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
    pub(crate) depth: Gauge,
    /// Passes over the probe rows of partitions whose build rows were joined in chunks.
    pub(crate) passes: Count,
    /// Times that memory was taken back while the join was idle.
    pub(crate) reclaimed: Count,
}

impl JoinMetrics {
    pub(crate) fn new(partition: usize, set: &ExecutionPlanMetricsSet) -> Self {
        let build = || MetricBuilder::new(set);
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
            depth: build().gauge("depth", partition),
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
