//! What the operators of all cases did: whether the paths for little memory were taken at all.

mod seen;
mod wanted;

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

pub use seen::{Event, Seen};
use wanted::wanted;

/// Counts of cases, by operator and by what it was, such as its type of join; all of an operator are under no trait.
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
            for of in seen.traits.iter().cloned().chain([String::new()]) {
                let events = of_case.entry((seen.operator.clone(), of)).or_default();
                events.extend(&seen.events);
            }
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

    /// What is wanted and has happened in no case, a line for each.
    pub fn missing(&self) -> Vec<String> {
        let has = |operator: &str, of: &str, event: Option<Event>| {
            let counts = self.counts.get(&(operator.to_owned(), of.to_owned()));
            counts.is_some_and(|counts| match event {
                Some(event) => counts.events.contains_key(&event),
                None => counts.cases > 0,
            })
        };
        let wanted = wanted().into_iter();
        let missing = wanted.filter(|wanted| !has(wanted.operator, wanted.of, wanted.event));
        missing
            .map(|missing| {
                let of = match missing.of {
                    "" => String::new(),
                    of => format!(" ({of})"),
                };
                let event = missing.event.map(|event| event.to_string());
                let event = event.unwrap_or_else(|| "was there".to_owned());
                format!("no {}{of} {event}", missing.operator)
            })
            .collect()
    }

    /// Whether an operator of this name spilled in a case.
    pub fn has_spilled(&self, operator: &str) -> bool {
        let all = self.counts.get(&(operator.to_owned(), String::new()));
        all.is_some_and(|counts| counts.events.contains_key(&Event::Spilled))
    }

    /// A table of the operators that are told apart or did something of interest.
    pub fn draw(&self) -> String {
        let mut table = Table::new();
        let events = Event::COLUMNS;
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(
                ["operator", "of", "cases"]
                    .into_iter()
                    .chain(events.map(|(_, heading)| heading)),
            );
        for ((operator, of), counts) in &self.counts {
            if of.is_empty() && counts.events.is_empty() {
                continue;
            }
            let count = |(event, _)| match counts.events.get(&event) {
                Some(count) => count.to_string(),
                None => "-".to_owned(),
            };
            table.add_row(
                [operator.clone(), of.clone(), counts.cases.to_string()]
                    .into_iter()
                    .chain(events.map(count)),
            );
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
    use plimsoll_driver::OperatorMetrics;

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
    fn what_operators_have_not_done_is_told() {
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
            operator(
                "ExternalSortExec: fetch=9, expr=[a@0 ASC]",
                &[("spill_count", 9), ("merges", 1)],
            ),
            operator(
                "HybridHashAggregateExec: mode=Partial, gby=[], aggr=[]",
                &[("skipped_aggregation_rows", 1)],
            ),
            operator(
                "BoundedWindowAggExec: wdw=[rank() ROWS: Field, frame: ROWS BETWEEN]",
                &[],
            ),
        ];
        let seen = Seen::in_plan(&plan);
        assert_eq!(seen[2].events, [Event::Spilled, Event::Recursed]);
        let mut coverage = Coverage::default();
        let all = coverage.missing().len();
        coverage.add(&seen);
        let missing = coverage.missing();
        assert_eq!(all - missing.len(), 4 + 2 + 2 + 1 + 1 + 1);
        let of = |part: &str| missing.iter().filter(|line| line.contains(part)).count();
        assert_eq!((of("Exec (Left) "), of("JoinExec (Inner) ")), (2, 4 + 2));
        for line in [
            "no HybridHashJoinExec (null-aware anti) worked through a partition in pieces",
            "no ExternalSortExec gave memory back",
            "no BoundedWindowAggExec (ROWS) was there",
        ] {
            assert!(missing.contains(&line.to_owned()), "{line}: {missing:?}");
        }
        assert!(coverage.has_spilled("ExternalSortExec"));
        assert!(!coverage.has_spilled("HybridHashAggregateExec"));
    }
}
