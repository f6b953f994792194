//! What was seen of a query, as evidence for advice.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use plimsoll_advisor::{
    Advice, Cached, Circumstances, Failure, LargeResult, QueryEvidence, Spill, for_cache,
    for_query, for_result,
};
use plimsoll_conf::{Conf, Machine};
use plimsoll_memory::{Refusal, TaskMemory};

use crate::cache::{CacheManager, CachedPlan};
use crate::operators::{OperatorMetrics, visit};
use crate::results::ResultTooLarge;

/// What helps against a result that is too large.
pub(crate) fn for_large_result(result: &ResultTooLarge) -> Vec<Advice> {
    for_result(&LargeResult {
        most: result.most,
        rows_that_fit: result.rows_that_fit(),
        in_all: result.bytes_in_all(),
        sufficient: result.sufficient(),
    })
}

/// The least part of the input from which is judged what all of it will take.
const LEAST_READ: f64 = 0.05;

/// Settings and surroundings of a query, for advice about it.
pub(crate) struct Advisor {
    pub(crate) conf: Conf,
    pub(crate) machine: Machine,
    /// The line that no session may raise.
    pub(crate) ceiling: Option<u64>,
    pub(crate) cache: Arc<CacheManager>,
}

/// What was seen of a query.
pub(crate) struct Seen<'a> {
    /// What its operators measured.
    pub(crate) operators: &'a [OperatorMetrics],
    pub(crate) task: &'a TaskMemory,
    /// Whether it ran on fewer threads than it would with more memory.
    pub(crate) was_cut: bool,
    /// Whether what is allocated is counted in this process.
    pub(crate) is_counted: bool,
}

impl Advisor {
    fn circumstances(&self) -> Circumstances<'_> {
        Circumstances {
            conf: &self.conf,
            machine: &self.machine,
            ceiling: self.ceiling,
        }
    }

    /// What would have helped a query.
    pub(crate) fn for_query(&self, seen: &Seen<'_>, failure: Option<Failure>) -> Vec<Advice> {
        let spills = spills(seen.operators);
        if spills.is_empty() && failure.is_none() {
            return Vec::new();
        }
        let usage = seen.task.usage();
        let exchanged = exchanged(&usage.refusals, &spills);
        let has = |name: &str| seen.operators.iter().any(|seen| seen.operator == name);
        let evidence = QueryEvidence {
            spills,
            peak_demand: usage.peak_demand,
            ample: usage.ample,
            limit: limit(&usage.refusals),
            is_counted: seen.is_counted,
            ran_user_code: seen.task.ran_user_code(),
            has_exchange: has("RepartitionExec"),
            has_groups: has("HybridHashAggregateExec"),
            exchanged,
            was_cut: seen.was_cut,
            failure,
            cached: self.cache.list().into_iter().map(cached).collect(),
        };
        for_query(&evidence, &self.circumstances())
    }

    /// What would have kept cached blocks in memory, beside queries that would hold so many bytes.
    pub(crate) fn for_cache(&self, execution: u64) -> Vec<Advice> {
        let all: Vec<Cached> = self.cache.list().into_iter().map(cached).collect();
        for_cache(&all, execution, &self.circumstances())
    }
}

fn cached(plan: CachedPlan) -> Cached {
    let usage = plan.usage;
    Cached {
        name: plan.name,
        level: plan.level,
        memory: usage.memory,
        in_full: usage.in_full,
        serialized: usage.serialized,
        hits: usage.hits,
        evictions: usage.evictions,
        disk_reads: usage.disk_reads,
        recomputes: usage.recomputes,
    }
}

/// What a query could hold as a rule when it was refused memory: under pressure it is less for a moment.
fn limit(refusals: &[Refusal]) -> Option<u64> {
    let mut limits: Vec<u64> = refusals.iter().map(|refusal| refusal.task_limit).collect();
    limits.sort_unstable();
    limits.get(limits.len() / 2).copied()
}

/// About what exchanges would have held at once, had they been refused nothing. What goes through one does not stay: it
/// holds some batches for a reader that is busy, and what a reader is kept from by writing to disk it takes at once where
/// there is memory.
///
/// A batch of texts may be counted as larger than it is, by buffers that others share: it is at most so many times what it
/// is on disk, where it is compressed and its texts are alone.
fn exchanged(refusals: &[Refusal], spills: &[Spill]) -> u64 {
    const BATCHES: u64 = 4;
    const TIMES_ON_DISK: u64 = 16;
    const EXCHANGE: &str = "RepartitionExec";
    let of_exchange = |refusal: &&Refusal| refusal.consumer.starts_with(EXCHANGE);
    let held = |refusal: &Refusal| refusal.asked.saturating_mul(refusal.times.min(BATCHES));
    let counted = refusals.iter().filter(of_exchange).map(held);
    let counted = counted.fold(0, u64::saturating_add);
    let on_disk = spills.iter().filter(|spill| spill.operator == EXCHANGE);
    let on_disk: u64 = on_disk.map(|spill| spill.bytes).sum();
    counted.min(on_disk.saturating_mul(TIMES_ON_DISK))
}

/// What each operator wrote to disk, most first.
fn spills(operators: &[OperatorMetrics]) -> Vec<Spill> {
    let mut spills: Vec<Spill> = operators.iter().filter_map(spill).collect();
    spills.sort_by_key(|spill| std::cmp::Reverse(spill.bytes));
    spills
}

fn spill(operator: &OperatorMetrics) -> Option<Spill> {
    let value = |name: &str| operator.values.get(name).copied().unwrap_or(0);
    let bytes = value("spilled_bytes");
    let passes = match operator.operator.as_str() {
        "ExternalSortExec" => 1 + u64::from(value("merges") > 0),
        _ => value("depth").max(1),
    };
    let hottest = value("hottest_key_rows");
    (bytes > 0).then(|| Spill {
        operator: operator.operator.clone(),
        bytes,
        passes,
        partitions: value("partitions"),
        hottest_key: (hottest > 0)
            .then(|| (hottest as f64 / value("build_input_rows").max(hottest) as f64).min(1.0)),
    })
}

/// The part of its input that a plan has read, if its scans know how much they have: that of the scan which is furthest
/// behind among those that have begun.
pub(crate) fn part_read(plan: &Arc<dyn ExecutionPlan>) -> Option<f64> {
    let mut least: Option<f64> = None;
    visit(plan, &mut |node| {
        let rows = node.metrics().and_then(|metrics| metrics.output_rows());
        if let Some(rows @ 1..) = rows.filter(|_| node.children().is_empty())
            && let Some(all @ 1..) = rows_of(node)
        {
            let part = (rows as f64 / all as f64).min(1.0);
            least = Some(least.map_or(part, |least| least.min(part)));
        }
    });
    least.filter(|part| *part >= LEAST_READ)
}

fn rows_of(scan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let statistics = StatisticsContext::new().compute(scan.as_ref(), &StatisticsArgs::default());
    match statistics.ok()?.num_rows {
        Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
        Precision::Absent => None,
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_advisor::Spill;
    use plimsoll_memory::Refusal;

    use super::exchanged;

    fn refused(consumer: &str, times: u64, asked: u64) -> Refusal {
        Refusal {
            consumer: consumer.to_owned(),
            times,
            asked,
            held: 0,
            task_held: 0,
            task_limit: 0,
        }
    }

    #[test]
    fn an_exchange_would_have_held_some_batches_and_not_all_that_went_through() {
        let on_disk = [Spill {
            operator: "RepartitionExec".to_owned(),
            bytes: 100,
            ..Spill::default()
        }];
        let refusals = [
            refused("RepartitionExec[0]", 50, 70),
            refused("RepartitionExec[1]", 1, 30),
            refused("HashJoin[0]", 9, 1000),
        ];
        assert_eq!(exchanged(&refusals, &on_disk), 4 * 70 + 30);
        // Texts that share their buffers are counted with all of them.
        let shared = [refused("RepartitionExec[0]", 2, u64::MAX)];
        assert_eq!(exchanged(&shared, &on_disk), 1600);
        assert_eq!(exchanged(&refusals, &[]), 0);
    }
}
