//! What one operator of a case was, and what it did.

use std::fmt;

use plimsoll_driver::OperatorMetrics;
use serde::{Deserialize, Serialize};

/// What an operator does when memory is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It wrote to disk.
    Spilled,
    /// A partition did not fit after it was cut once, and was cut again.
    Recursed,
    /// A partition could not be cut and was worked through in pieces.
    HotKey,
    /// It gave memory back that another one needed.
    Reclaimed,
    /// There were more sorted runs than could be merged at once.
    MergedTwice,
    /// It handed rows on as they were, there being nearly as many groups.
    SteppedAside,
}

impl Event {
    /// All of them, with what heads their column in a table.
    pub(super) const COLUMNS: [(Event, &str); 6] = [
        (Event::Spilled, "spilled"),
        (Event::Recursed, "recursed"),
        (Event::HotKey, "hot key"),
        (Event::Reclaimed, "reclaimed"),
        (Event::MergedTwice, "merged twice"),
        (Event::SteppedAside, "stepped aside"),
    ];
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Event::Spilled => "spilled",
            Event::Recursed => "cut a partition again",
            Event::HotKey => "worked through a partition in pieces",
            Event::Reclaimed => "gave memory back",
            Event::MergedTwice => "merged in more than one pass",
            Event::SteppedAside => "stepped aside",
        })
    }
}

/// How metrics tell of it: a part of the metric's name, and the least that counts.
const SIGNS: [(Event, &str, u64); 6] = [
    (Event::Spilled, "spill", 1),
    (Event::Recursed, "depth", 2),
    (Event::HotKey, "passes", 2),
    (Event::Reclaimed, "reclaim", 1),
    (Event::MergedTwice, "merges", 1),
    (Event::SteppedAside, "skipped_aggregation_rows", 1),
];

/// What an operator of a case did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// The operator.
    pub operator: String,
    /// What it was: its type of join, the stage and functions of an aggregate, the frames and functions of a window.
    pub traits: Vec<String>,
    /// What it did.
    pub events: Vec<Event>,
}

impl Seen {
    /// What the operators of a plan did.
    pub fn in_plan(operators: &[OperatorMetrics]) -> Vec<Seen> {
        operators.iter().map(Self::of_operator).collect()
    }

    fn of_operator(operator: &OperatorMetrics) -> Seen {
        let happened = |(event, name, least): &(Event, &str, u64)| {
            let mut values = operator.values.iter();
            values
                .any(|(metric, value)| metric.contains(name) && value >= least)
                .then_some(*event)
        };
        Seen {
            operator: operator.operator.clone(),
            traits: traits(&operator.details),
            events: SIGNS.iter().filter_map(happened).collect(),
        }
    }
}

/// What an operator is, by what EXPLAIN says of it.
fn traits(details: &str) -> Vec<String> {
    if let Some(join) = join_of(details) {
        return vec![join];
    }
    let mut traits: Vec<&str> = Vec::new();
    if details.contains("SortExec") {
        let has_limit = details.contains("fetch=") || details.contains("TopK");
        traits.extend(has_limit.then_some("with a limit"));
    } else if details.contains("aggr=[") {
        traits.push(match details.contains("mode=Partial") {
            true => "partial",
            false => "final",
        });
        let collecting = ["array_agg(", "median(", "string_agg("];
        let called = collecting.iter().filter(|name| details.contains(**name));
        traits.extend(called.map(|name| name.trim_end_matches('(')));
        traits.extend(details.contains("(DISTINCT ").then_some("DISTINCT"));
    } else if details.contains("wdw=[") {
        traits.extend(window_traits(details));
    }
    traits.into_iter().map(str::to_owned).collect()
}

/// The type of join in what EXPLAIN says of an operator.
fn join_of(details: &str) -> Option<String> {
    if details.contains("null_aware") || details.contains("NullAware") {
        return Some("null-aware anti".to_owned());
    }
    let (before, rest) = details.split_once("join_type=")?;
    if before.contains("NestedLoop") && !rest.contains("filter=") {
        return Some("cross".to_owned());
    }
    let end = rest.find(|c: char| !c.is_alphanumeric());
    Some(rest[..end.unwrap_or(rest.len())].to_owned())
}

/// Window functions, each with what it counts as, and whether its frame means anything.
const WINDOW_FUNCTIONS: [(&str, &str, bool); 15] = [
    ("row_number(", "ranking", false),
    ("percent_rank(", "ranking", false),
    ("dense_rank(", "ranking", false),
    ("rank(", "ranking", false),
    ("cume_dist(", "ranking", false),
    ("ntile(", "ntile", false),
    ("lag(", "lag, lead", false),
    ("lead(", "lag, lead", false),
    ("first_value(", "first_value", true),
    ("last_value(", "last_value", true),
    ("nth_value(", "nth_value", true),
    ("sum(", "aggregates", true),
    ("count(", "aggregates", true),
    ("min(", "aggregates", true),
    ("max(", "aggregates", true),
];

/// The frames and functions of a window, from `wdw=[rank() PARTITION BY …: Field {…}, frame: RANGE BETWEEN …, …]`.
fn window_traits(details: &str) -> Vec<&'static str> {
    let mut traits = Vec::new();
    let parts: Vec<&str> = details.split(", frame: ").collect();
    for pair in parts.windows(2) {
        // Before its own frame comes that of the function before it.
        let call = pair[0];
        let found = WINDOW_FUNCTIONS
            .iter()
            .filter_map(|function| Some((call.find(function.0)?, function)));
        let Some((_, (_, group, has_frame))) = found.min_by_key(|(at, _)| *at) else {
            continue;
        };
        traits.push(*group);
        // One operator tells its frames in SQL, the other one as they are in memory.
        let unit = pair[1].trim_start_matches("WindowFrame { units: ");
        let units = ["ROWS", "RANGE", "GROUPS"];
        let unit = units.into_iter().find(|name| {
            let unit = unit.get(..name.len());
            unit.is_some_and(|unit| unit.eq_ignore_ascii_case(name))
        });
        traits.extend(unit.filter(|_| *has_frame));
    }
    traits.sort_unstable();
    traits.dedup();
    traits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_known_by_what_explain_says() {
        let window = "ExternalWindowExec: wdw=[ntile(Int64(2)) ORDER BY [a] RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT \
                      ROW: Field { \"ntile\": UInt64 }, frame: RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW, \
                      sum(s.c1) ORDER BY [a] GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING: Field { \"sum\": nullable \
                      Int64 }, frame: GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING]";
        let in_memory = "ExternalWindowExec: wdw=[first_value(s.c1): Ok(Field { name: \"first_value\" }), frame: WindowFrame \
                         { units: Rows, start_bound: Preceding(Int64(2)) }]";
        for (details, expected) in [
            (
                "HybridHashJoinExec: mode=Partitioned, join_type=Left, on=[]",
                vec!["Left"],
            ),
            (
                "HybridHashJoinExec: join_type=LeftAnti, null_aware",
                vec!["null-aware anti"],
            ),
            ("BlockNestedLoopJoinExec: join_type=Inner", vec!["cross"]),
            (
                "BlockNestedLoopJoinExec: join_type=Inner, filter=a@0 < b@1",
                vec!["Inner"],
            ),
            ("ExternalSortExec: expr=[a@0 ASC]", vec![]),
            (
                "ExternalSortExec: fetch=7, expr=[a@0 ASC]",
                vec!["with a limit"],
            ),
            (
                "HybridHashAggregateExec: mode=Partial, gby=[a@0 as a], aggr=[count(Int64(1))]",
                vec!["partial"],
            ),
            (
                "HybridHashAggregateExec: mode=FinalPartitioned, gby=[a@0 as a], aggr=[median(b), count(DISTINCT b)]",
                vec!["final", "median", "DISTINCT"],
            ),
            (window, vec!["GROUPS", "aggregates", "ntile"]),
            (in_memory, vec!["ROWS", "first_value"]),
        ] {
            assert_eq!(traits(details), expected, "{details}");
        }
    }
}
