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
        let has_exchange = |operator: &OperatorMetrics| operator.operator == "RepartitionExec";
        let evidence = QueryEvidence {
            spills,
            peak_demand: usage.peak_demand,
            ample: usage.ample,
            limit: limit(&usage.refusals),
            is_counted: seen.is_counted,
            ran_user_code: seen.task.ran_user_code(),
            has_exchange: seen.operators.iter().any(has_exchange),
            failure,
            cached: self.cache.list().into_iter().map(cached).collect(),
        };
        for_query(&evidence, &self.circumstances())
    }

    /// What would have kept cached blocks in memory, beside queries that held so many bytes.
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
