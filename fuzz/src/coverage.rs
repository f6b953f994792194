//! What the operators of all cases did: whether the paths for little memory were taken at all.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
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
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Event::Spilled => "spilled",
            Event::Recursed => "cut a partition again",
            Event::HotKey => "met a hot key",
            Event::Reclaimed => "gave memory back",
        })
    }
}

/// How metrics tell of it: a part of the metric's name, and the least that counts.
const SIGNS: [(Event, &str, u64); 4] = [
    (Event::Spilled, "spill", 1),
    (Event::Recursed, "depth", 2),
    (Event::HotKey, "passes", 2),
    (Event::Reclaimed, "reclaim", 1),
];

/// The join that has to have done all of it, in each of its types.
const HASH_JOIN: &str = "HybridHashJoinExec";

const JOIN_TYPES: [&str; 11] = [
    "Inner",
    "Left",
    "Right",
    "Full",
    "LeftSemi",
    "RightSemi",
    "LeftAnti",
    "RightAnti",
    "LeftMark",
    "RightMark",
    "null-aware anti",
];

/// What an operator of a case did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// The operator.
    pub operator: String,
    /// The type of join, if it is one.
    pub join: Option<String>,
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
            join: join_of(&operator.details),
            events: SIGNS.iter().filter_map(happened).collect(),
        }
    }
}

/// The type of join in what EXPLAIN says of an operator.
fn join_of(details: &str) -> Option<String> {
    if details.contains("null_aware") || details.contains("NullAware") {
        return Some("null-aware anti".to_owned());
    }
    let (_, rest) = details.split_once("join_type=")?;
    let end = rest.find(|c: char| !c.is_alphanumeric());
    Some(rest[..end.unwrap_or(rest.len())].to_owned())
}

/// Counts of cases, by operator and type of join.
#[derive(Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<(String, String), Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    cases: u64,
    events: BTreeMap<Event, u64>,
}

impl Coverage {
    /// Counts a case.
    pub fn add(&mut self, seen: &[Seen]) {
        let mut of_case: BTreeMap<(String, String), Vec<Event>> = BTreeMap::new();
        for seen in seen {
            let join = seen.join.clone().unwrap_or_default();
            let events = of_case.entry((seen.operator.clone(), join)).or_default();
            events.extend(&seen.events);
        }
        for (key, mut events) in of_case {
            events.sort_unstable();
            events.dedup();
            let counts = self.counts.entry(key).or_default();
            counts.cases += 1;
            for event in events {
                *counts.events.entry(event).or_default() += 1;
            }
        }
    }

    /// What hash joins have not done in any case: the types of joins, each with what it lacks.
    pub fn missing(&self) -> Vec<(&'static str, Vec<Event>)> {
        let lacks = |join: &'static str| {
            let done = self.counts.get(&(HASH_JOIN.to_owned(), join.to_owned()));
            let has = |event: &Event| done.is_some_and(|done| done.events.contains_key(event));
            let lacks = SIGNS.iter().map(|(event, ..)| *event);
            (join, lacks.filter(|event| !has(event)).collect::<Vec<_>>())
        };
        let mut missing: Vec<_> = JOIN_TYPES.into_iter().map(lacks).collect();
        missing.retain(|(_, lacks)| !lacks.is_empty());
        missing
    }

    /// Whether an operator of this name spilled in a case.
    pub fn has_spilled(&self, operator: &str) -> bool {
        let mut of_name = self.counts.iter().filter(|((name, _), _)| name == operator);
        of_name.any(|(_, counts)| counts.events.contains_key(&Event::Spilled))
    }

    /// A table of the operators that are joins or did something of interest.
    pub fn draw(&self) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header([
                "operator",
                "join",
                "cases",
                "spilled",
                "recursed",
                "hot key",
                "reclaimed",
            ]);
        for ((operator, join), counts) in &self.counts {
            if join.is_empty() && counts.events.is_empty() {
                continue;
            }
            let count = |event: Event| match counts.events.get(&event) {
                Some(count) => count.to_string(),
                None => "-".to_owned(),
            };
            table.add_row([
                operator.clone(),
                join.clone(),
                counts.cases.to_string(),
                count(Event::Spilled),
                count(Event::Recursed),
                count(Event::HotKey),
                count(Event::Reclaimed),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(details: &str, values: &[(&str, u64)]) -> OperatorMetrics {
        OperatorMetrics {
            operator: details.split(':').next().unwrap().to_owned(),
            details: details.to_owned(),
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        }
    }

    #[test]
    fn what_hash_joins_have_not_done_is_told() {
        let plan = [
            operator(
                "HybridHashJoinExec: mode=Partitioned, join_type=Left, on=[]",
                &[
                    ("spill_count", 2),
                    ("depth", 2),
                    ("passes", 2),
                    ("reclaimed", 1),
                ],
            ),
            operator(
                "HybridHashJoinExec: mode=CollectLeft, join_type=Inner, on=[]",
                &[("spill_count", 0)],
            ),
            operator(
                "HybridHashJoinExec: join_type=LeftAnti, null_aware",
                &[("spilled_bytes", 9), ("depth", 3)],
            ),
        ];
        let seen = Seen::in_plan(&plan);
        assert_eq!(seen[2].events, [Event::Spilled, Event::Recursed]);
        let mut coverage = Coverage::default();
        coverage.add(&seen);
        let missing = coverage.missing();
        let of = |join: &str| missing.iter().find(|(name, _)| *name == join);
        assert!(of("Left").is_none());
        assert_eq!(of("Inner").unwrap().1.len(), 4);
        assert_eq!(of("LeftAnti").unwrap().1.len(), 4);
        let of_not_in = &of("null-aware anti").unwrap().1;
        assert_eq!(*of_not_in, [Event::HotKey, Event::Reclaimed]);
    }
}
