use std::fmt;

use plimsoll_conf::fmt_bytes;
use plimsoll_driver::{BroadcastRecord, CachedPlan, QueryRecord, Status};
use plimsoll_memory::{DriverUsage, Holder, Refusal, Steps};

use crate::Report;

/// Holders and refusals shown of one query; the JSON has some more.
const SHOWN: usize = 3;

/// Characters shown of a query's text.
const SQL_WIDTH: usize = 60;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Memory")?;
        let executor = &self.layout.executor;
        row(f, "line", self.line, &self.layout.line.formula)?;
        let over = match self.peak.resident > self.line {
            true => ", over the line".to_owned(),
            false => String::new(),
        };
        let share = format!(
            "{} of the line{over}",
            percent(self.peak.resident, self.line)
        );
        row(f, "resident at peak", self.peak.resident, &share)?;
        if self.peak.allocated > 0 {
            let note = "handed out by the allocator";
            row(f, "allocated at peak", self.peak.allocated, note)?;
            let parts = &self.peak.parts;
            for (name, most, part) in [
                ("engine", parts.engine, &executor.reserved),
                ("unified", parts.unified, &executor.unified),
                ("user", parts.user, &executor.user),
            ] {
                let share = format!("at peak, of {} = {}", fmt_bytes(part.bytes), part.formula);
                row(f, &format!("  {name}"), most, &share)?;
            }
        }
        let share = percent(self.peak.execution, executor.unified.bytes);
        let lent = match self.peak.execution > executor.unified.bytes {
            true => ", with what was lent",
            false => "",
        };
        let share = format!("{share} of unified{lent}, the most that one query held");
        row(f, "execution at peak", self.peak.execution, &share)?;
        if let Some(held) = held_by_driver(&self.driver) {
            row(f, "driver at peak", self.driver.total.peak, &held)?;
        }
        for step in steps(&self.steps) {
            writeln!(f, "  {step}")?;
        }
        for plan in &self.cached {
            write_cached(f, plan)?;
        }
        if self.queries_left_out > 0 {
            writeln!(
                f,
                "({} earlier queries are not listed)",
                self.queries_left_out
            )?;
        }
        for (at, query) in self.queries.iter().enumerate() {
            writeln!(
                f,
                "\nQuery {}: {}",
                self.queries_left_out + at as u64 + 1,
                excerpt(&query.sql)
            )?;
            write_query(f, query)?;
        }
        if !self.advice.is_empty() {
            writeln!(f, "\nWhat would help")?;
        }
        for advice in &self.advice {
            writeln!(f, "  {advice}")?;
        }
        Ok(())
    }
}

/// What the driver held at most of each kind, and of how much; nothing if it held nothing.
fn held_by_driver(driver: &DriverUsage) -> Option<String> {
    let uses = [
        ("results", driver.results),
        ("broadcasts", driver.broadcasts),
        ("metadata", driver.metadata),
    ];
    let held: Vec<String> = uses
        .iter()
        .filter(|(_, held)| held.peak > 0)
        .map(|(name, held)| format!("{name} {}", fmt_bytes(held.peak)))
        .collect();
    let of = fmt_bytes(driver.limit);
    (!held.is_empty()).then(|| format!("of {of}: at most {}", held.join(", ")))
}

/// What is cached of a plan, where, and what came of it; nothing of what did not happen.
fn write_cached(f: &mut fmt::Formatter<'_>, plan: &CachedPlan) -> fmt::Result {
    let usage = &plan.usage;
    writeln!(
        f,
        "\nCached: {} ({}): {} of {}, {} in memory, {} on disk",
        excerpt(&plan.name),
        plan.level,
        usage.cached_partitions,
        count(usage.partitions, "partition"),
        fmt_bytes(usage.memory),
        fmt_bytes(usage.disk),
    )?;
    let events = [
        (usage.hits, "hit"),
        (usage.misses, "miss"),
        (usage.evictions, "eviction"),
        (usage.disk_reads, "disk read"),
        (usage.recomputes, "recompute"),
    ];
    let words: Vec<String> = events
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| match what {
            "miss" if n > 1 => format!("{n} misses"),
            _ => count(n, what),
        })
        .collect();
    match words.is_empty() {
        true => writeln!(f, "  not read yet"),
        false => writeln!(f, "  {}", words.join(", ")),
    }
}

/// What was done to stay under the line, in words; nothing of what was not done.
fn steps(steps: &Steps) -> Vec<String> {
    let times = |n: u64| count(n, "time");
    [
        (
            steps.taken_back,
            format!("lent memory was taken back {}", times(steps.taken_back)),
        ),
        (
            steps.evicted,
            format!("{} of cached blocks were evicted", fmt_bytes(steps.evicted)),
        ),
        (
            steps.reclaimed,
            format!(
                "{} were taken back from idle operators",
                fmt_bytes(steps.reclaimed)
            ),
        ),
        (
            steps.held_back,
            format!("scans were held back {}", times(steps.held_back)),
        ),
        (
            steps.overflowed,
            format!(
                "{} in large allocations were put on disk, since they did not fit under the line",
                fmt_bytes(steps.overflowed)
            ),
        ),
        (
            steps.waits,
            format!("threads waited for memory {}", times(steps.waits)),
        ),
        (
            steps.cancelled,
            format!(
                "{} ended to stay under the line",
                count(steps.cancelled, "plan")
            ),
        ),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(_, words)| words)
    .collect()
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, bytes: u64, note: &str) -> fmt::Result {
    writeln!(
        f,
        "  {name:<18} {:>10}  {note}",
        fmt_bytes(bytes).to_string()
    )
}

fn write_query(f: &mut fmt::Formatter<'_>, query: &QueryRecord) -> fmt::Result {
    let how = match query.status {
        Status::Finished => "finished",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    };
    writeln!(
        f,
        "  {how}: {} in {:.2} s; execution {} at peak, resident {} at peak",
        count(query.rows, "row"),
        query.seconds,
        fmt_bytes(query.peak_execution),
        fmt_bytes(query.peak_resident)
    )?;
    if !query.holders_at_peak.is_empty() {
        let holders: Vec<String> = query
            .holders_at_peak
            .iter()
            .take(SHOWN)
            .map(holder)
            .collect();
        let unseen = query.holders_at_peak.len().saturating_sub(SHOWN);
        let rest = unseen as u64 + query.other_holders;
        let more = if rest > 0 {
            format!(", and {rest} more")
        } else {
            String::new()
        };
        writeln!(f, "  held at peak by {}{more}", holders.join(", "))?;
    }
    if query.peak_overdraft > 0 {
        writeln!(
            f,
            "  {} beyond its execution memory at peak, by operators that cannot be refused",
            fmt_bytes(query.peak_overdraft)
        )?;
    }
    if let Some(reason) = &query.plan_given_up {
        writeln!(
            f,
            "  planned anew with operators that need less memory, after: {reason}"
        )?;
    }
    for spill in &query.spills {
        writeln!(
            f,
            "  {} spilled {} ({}, {})",
            spill.operator,
            fmt_bytes(spill.bytes),
            count(spill.rows, "row"),
            count(spill.files, "file")
        )?;
    }
    for broadcast in given_up(&query.broadcasts) {
        writeln!(f, "  {broadcast}")?;
    }
    for refusal in query.refusals.iter().take(SHOWN) {
        writeln!(f, "  because {}", refused(refusal))?;
    }
    Ok(())
}

/// The broadcasts that are worth a line.
fn given_up(broadcasts: &[BroadcastRecord]) -> impl Iterator<Item = &BroadcastRecord> {
    let given_up = |record: &&BroadcastRecord| record.given_up.is_some();
    broadcasts.iter().filter(given_up).take(SHOWN)
}

fn holder(holder: &Holder) -> String {
    let kind = if holder.can_spill {
        ""
    } else {
        " (cannot spill)"
    };
    format!("{} {}{kind}", holder.consumer, fmt_bytes(holder.bytes))
}

fn refused(refusal: &Refusal) -> String {
    format!(
        "{} was refused {}, last {} more than the {} it held, when the query held {} of {}",
        refusal.consumer,
        count(refusal.times, "time"),
        fmt_bytes(refusal.asked),
        fmt_bytes(refusal.held),
        fmt_bytes(refusal.task_held),
        fmt_bytes(refusal.task_limit)
    )
}

fn count(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.0} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// The text on one line, cut where it gets long.
fn excerpt(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SQL_WIDTH) {
        Some((at, _)) => format!("{}…", line[..at].trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_driver::OperatorSpill;

    fn record() -> QueryRecord {
        QueryRecord {
            id: 0,
            sql: "SELECT *\n  FROM lineitem\n ORDER BY l_comment, l_shipdate, l_orderkey".into(),
            status: Status::Finished,
            error: None,
            plan_given_up: None,
            rows: 1,
            rows_scanned: 6_000_000,
            seconds: 2.5,
            peak_execution: 200 << 20,
            peak_demand: 0,
            peak_overdraft: 0,
            peak_allocated: 280 << 20,
            peak_resident: 300 << 20,
            overflowed: 0,
            spilled_bytes: 3 << 30,
            spill_files: 12,
            spills: vec![OperatorSpill {
                operator: "SortExec".into(),
                bytes: 3 << 30,
                rows: 6_000_000,
                files: 12,
            }],
            broadcasts: Vec::new(),
            other_holders: 0,
            holders_at_peak: vec![Holder {
                consumer: "ExternalSorter[0]".into(),
                bytes: 100 << 20,
                can_spill: true,
            }],
            refusals: vec![Refusal {
                consumer: "ExternalSorter[0]".into(),
                times: 6,
                asked: 4 << 20,
                held: 100 << 20,
                task_held: 200 << 20,
                task_limit: 202 << 20,
            }],
            advice: Vec::new(),
        }
    }

    struct Told(QueryRecord);

    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_query(f, &self.0)
        }
    }

    #[test]
    fn a_spill_is_told_with_its_operator_and_its_reason() {
        let told = Told(record()).to_string();
        let expected = "  \
            finished: 1 row in 2.50 s; execution 200 MiB at peak, resident 300 MiB at peak\n  \
            held at peak by ExternalSorter[0] 100 MiB\n  \
            SortExec spilled 3 GiB (6000000 rows, 12 files)\n  \
            because ExternalSorter[0] was refused 6 times, last 4 MiB more than the 100 MiB it held, when the query held 200 MiB of 202 MiB\n";
        assert_eq!(told, expected);
    }

    #[test]
    fn a_long_text_is_cut_and_told_on_one_line() {
        let line = excerpt(&record().sql);
        assert!(
            line.starts_with("SELECT * FROM lineitem ORDER BY") && line.ends_with('…'),
            "{line}"
        );
    }
}
