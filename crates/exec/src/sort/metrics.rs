use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, SpillMetrics,
};

/// What `EXPLAIN ANALYZE` tells of one partition of a sort. The names that stock `SortExec` has mean the
/// same here.
pub(crate) struct SortMetrics {
    pub(crate) baseline: BaselineMetrics,
    /// Files, bytes on disk and rows that were spilled.
    pub(crate) spill: SpillMetrics,
    /// Sorted runs that went to disk.
    pub(crate) runs: Count,
    /// Times that runs were merged to a run, being too many to be merged at once.
    pub(crate) merges: Count,
    /// Times that memory was taken back while nobody worked on the sort.
    pub(crate) reclaimed: Count,
}

impl SortMetrics {
    pub(crate) fn new(partition: usize, set: &ExecutionPlanMetricsSet) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(set).counter(name, partition);
        Self {
            baseline: BaselineMetrics::new(set, partition),
            spill: SpillMetrics::new(set, partition),
            runs: counter("runs"),
            merges: counter("merges"),
            reclaimed: counter("reclaimed"),
        }
    }
}
