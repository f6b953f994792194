//! DataFusion's own options, derived from ours: what the engine is told so that it fits its memory.

use std::sync::Arc;

use crate::average::average;
use crate::dialect::NarrowLiterals;
use crate::division::SparkDivision;
use crate::hints::{HintedRelations, Planner};
use crate::not_in::logical_rules;
use crate::rules::rules;
use crate::source::ScanBudget;
use datafusion::common::config::{ConfigNonZeroUsize, Dialect, SpillCompression};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::prelude::SessionConfig;
use datafusion_spark::SessionStateBuilderSpark;
use plimsoll_conf::Settings;
use plimsoll_conf::settings::Codec;
use plimsoll_exec::WindowsWithoutViews;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The engine of a session, before any table is in it.
pub(crate) fn state(
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
    join_partitions: usize,
) -> SessionState {
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        // Functions under Spark's names with Spark's meaning, in place of DataFusion's where both
        // have one.
        .with_spark_features()
        .with_optimizer_rules(logical_rules())
        .with_relation_planners(vec![Arc::new(HintedRelations)])
        .with_query_planner(Arc::new(Planner))
        .with_physical_optimizer_rules(rules(join_partitions, false));
    let aggregates = builder.aggregate_functions();
    aggregates.get_or_insert_default().push(average());
    let analyzer = builder.analyzer().get_or_insert_default();
    // Behind the rule that takes grouping sets apart, which are columns of their own until then, and before types
    // are coerced.
    analyzer.rules.insert(1, Arc::new(WindowsWithoutViews));
    // First, because the first planner that plans an expression ends the search.
    builder.expr_planners().get_or_insert_with(Vec::new).splice(
        0..0,
        [
            Arc::new(NarrowLiterals) as Arc<dyn ExprPlanner>,
            Arc::new(SparkDivision),
        ],
    );
    builder.build()
}

/// The options for a query that may use `threads` threads and at most `memory` bytes.
pub(crate) fn config(settings: &Settings, threads: usize, memory: u64) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(batch_rows(memory))
        .with_default_catalog_and_schema("spark_catalog", "default")
        .with_sort_spill_reservation_bytes(merge_reserve(memory, threads))
        .with_information_schema(true)
        .with_extension(Arc::new(ScanBudget::new(memory)));
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::Spark;
    options.sql_parser.collect_spans = true;
    // Spark's NULLs are smaller than any value.
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    // Spark reads 1.5 as a decimal.
    options.sql_parser.parse_float_as_decimal = true;
    options.execution.time_zone = settings.sql.time_zone.clone();
    // What `BroadcastJoins` goes by.
    let broadcast = settings.sql.auto_broadcast_join_threshold.unwrap_or(0);
    options.optimizer.hash_join_single_partition_threshold = broadcast as usize;
    options.execution.spill_compression = match settings.spill.codec {
        None => SpillCompression::Uncompressed,
        Some(Codec::Zstd) => SpillCompression::Zstd,
        Some(_) => SpillCompression::Lz4Frame,
    };
    // When two inputs of a `RepartitionExec` spill at once their batches go to two files, which are read one after
    // the other: the reader waits for more of the first while what would let it go on is in the second, and both
    // writers wait for the reader. With a file for each batch there is never more to come of a file.
    if let Ok(less_than_a_batch) = ConfigNonZeroUsize::try_new(1) {
        options.execution.max_spill_file_size_bytes = less_than_a_batch;
    }
    // Which partition reads which file would depend on which comes first, and with it the order of rows that nobody
    // has asked for, which people expect to be the same the next time.
    options.execution.enable_file_stream_work_stealing = false;
    // The filter that min and max give to a scan forgets arguments that are no columns, and bounds that are NULL
    // (apache/datafusion#24816): row groups are passed over that hold the answer.
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    config
}

/// How many partitions a query is cut into: one a thread, as long as each has 8 MiB. A sort on each of
/// many threads would have too little to merge its runs with.
pub(crate) fn partitions(memory: u64, threads: usize) -> usize {
    let with_enough = (memory / (8 * MIB)).max(1) as usize;
    threads.min(with_enough)
}

/// Rows in a batch: 8192, as DataFusion has it, and fewer where a few batches for each of the
/// operators of a plan would be a large part of the memory.
fn batch_rows(memory: u64) -> usize {
    match memory {
        m if m >= 128 * MIB => 8192,
        m if m >= 32 * MIB => 4096,
        _ => 1024,
    }
}

/// What an external sort keeps for merging its runs, in bytes: DataFusion's 10 MiB, and less where
/// the sorts of all threads would set aside more than a tenth of the memory before the first row.
fn merge_reserve(memory: u64, threads: usize) -> usize {
    let share = memory / (16 * threads.max(1) as u64);
    share.clamp(64 * KIB, 10 * MIB) as usize
}

/// How many runs an external sort merges at once. Left to itself it takes as many as memory allows,
/// which leaves the sorts of other threads without enough for two; this bounds the share of each to
/// about an eighth of the memory with wide rows, at the price of another pass over very many runs.
pub(crate) fn merge_fan_in(memory: u64, threads: usize) -> usize {
    let share = memory / (8 * MIB * threads.max(1) as u64);
    share.clamp(4, 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserves_shrink_with_the_memory() {
        assert_eq!(merge_reserve(4096 * MIB, 2), 10 * MIB as usize);
        assert_eq!(merge_reserve(64 * MIB, 2), 2 * MIB as usize);
        assert_eq!(merge_reserve(MIB, 64), 64 * KIB as usize);
        assert_eq!(partitions(28 * MIB, 8), 3);
        assert_eq!(partitions(434 * MIB, 8), 8);
        assert_eq!(merge_fan_in(434 * MIB, 2), 27);
        assert_eq!(merge_fan_in(16 * MIB, 2), 4);
        assert!(batch_rows(16 * MIB) < batch_rows(1024 * MIB));
    }
}
