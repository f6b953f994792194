//! Groups.

use super::{Dialect, Known, Writer, Written, estimate, place, places};
use crate::kind::{Kind, Layout};
use crate::relation::{Aggregate, Call, Function};

impl Writer<'_> {
    pub(super) fn aggregate(&self, aggregate: &Aggregate) -> Written {
        let input = self.relation(&aggregate.input);
        let keys = places(&input.columns, &aggregate.keys, |_| true);
        let groups = match keys.is_empty() {
            true => 1.0,
            false => estimate::groups(&input, &keys),
        };
        let mut list = Vec::new();
        let mut columns = Vec::new();
        let mut obstacles = input.not_for_duckdb.clone();
        for key in &keys {
            list.push(format!("c{key} AS c{}", list.len()));
            let known = &input.columns[*key];
            columns.push(Known {
                hottest: (1.0 / groups).max(1.0 / known.distinct),
                // With subtotals there are groups without it.
                unique: known.unique && !aggregate.rollup && keys.len() == 1,
                ..known.clone()
            });
        }
        for call in &aggregate.calls {
            let (text, kind, special, obstacle) = self.call(&input.columns, call);
            list.push(format!("{text} AS c{}", list.len()));
            obstacles.extend(obstacle);
            columns.push(Known {
                special,
                ..Known::computed(kind, groups)
            });
        }
        if list.is_empty() {
            list.push("count(*) AS c0".to_owned());
            columns.push(Known::computed(Kind::whole(64, true), groups));
        }
        let names: Vec<String> = keys.iter().map(|key| format!("s.c{key}")).collect();
        let by = match (names.is_empty(), aggregate.rollup) {
            (true, _) => String::new(),
            (false, false) => format!(" GROUP BY {}", names.join(", ")),
            (false, true) => format!(" GROUP BY ROLLUP ({})", names.join(", ")),
        };
        Written {
            sql: format!("SELECT {} FROM ({}) AS s{by}", list.join(", "), input.sql),
            columns,
            rows: groups,
            most_rows: input.most_rows,
            not_for_duckdb: obstacles,
        }
    }

    /// A call as text, with the kind of its value, whether that may be special, and why DuckDB's differs.
    fn call(&self, columns: &[Known], call: &Call) -> (String, Kind, bool, Option<&'static str>) {
        let count = || ("count(*)".to_owned(), Kind::whole(64, true), false, None);
        let function = call.function;
        let Some(place) = place(columns, call.argument, |column| takes(function, column)) else {
            return count();
        };
        let column = &columns[place];
        let (kind, special) = (column.kind.clone(), column.special);
        let c = format!("c{place}");
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let ordered = |name: &str, rest: &str| {
            format!("{name}({distinct}{c}{rest} ORDER BY {c} ASC NULLS FIRST)")
        };
        match function {
            Function::CountRows => count(),
            Function::Count => (
                format!("count({distinct}{c})"),
                Kind::whole(64, true),
                false,
                None,
            ),
            Function::Sum => {
                let sum = sum_kind(&kind);
                (
                    self.sum(&format!("{distinct}{c}"), &sum),
                    sum,
                    special,
                    None,
                )
            }
            Function::Average => {
                let (average, obstacle) = average_kind(&kind);
                (format!("avg({distinct}{c})"), average, false, obstacle)
            }
            Function::Least => (format!("min({c})"), kind, special, None),
            Function::Greatest => (format!("max({c})"), kind, special, None),
            Function::Median => {
                let obstacle = Some("another median");
                (format!("median({distinct}{c})"), kind, special, obstacle)
            }
            Function::Collect => (
                ordered("array_agg", ""),
                Kind::List(Box::new(kind)),
                special,
                None,
            ),
            Function::First => {
                let text = format!("first_value({c} ORDER BY {c} DESC NULLS LAST)");
                (text, kind, special, None)
            }
            Function::Concatenate => (ordered("string_agg", ", ','"), long_text(), special, None),
            // DISTINCT would be an error in DataFusion whenever there are partial aggregates.
            Function::Xor => (format!("bit_xor({c})"), kind, special, None),
            Function::Every => (format!("bool_and({c})"), kind, false, None),
        }
    }

    /// A sum with DataFusion's type: DuckDB's is wider.
    pub(super) fn sum(&self, argument: &str, kind: &Kind) -> String {
        match (self.dialect, kind) {
            (Dialect::DuckDb, Kind::Whole { signed: true, .. }) => {
                format!("CAST(sum({argument}) AS BIGINT)")
            }
            (Dialect::DuckDb, Kind::Whole { .. }) => format!("CAST(sum({argument}) AS UBIGINT)"),
            _ => format!("sum({argument})"),
        }
    }
}

/// Whether a function takes a column, and gives the same whatever order the rows come in.
fn takes(function: Function, column: &Known) -> bool {
    let kind = &column.kind;
    match function {
        Function::CountRows | Function::Count => true,
        Function::Sum => kind.is_exact(),
        // A mean of whole numbers is computed in floating point: exact as long as they are small.
        Function::Average => {
            !column.special
                && matches!(
                    kind,
                    Kind::Whole { bits: ..=32, .. }
                        | Kind::Decimal {
                            precision: ..=18,
                            ..
                        }
                )
        }
        Function::Median => matches!(
            kind,
            Kind::Whole { .. } | Kind::Float { .. } | Kind::Decimal { .. }
        ),
        Function::Least | Function::Greatest | Function::Collect | Function::First => {
            kind.is_orderable()
        }
        Function::Concatenate => matches!(
            kind,
            Kind::Text {
                layout: Layout::Plain | Layout::Large | Layout::View,
                ..
            }
        ),
        Function::Xor => matches!(kind, Kind::Whole { .. }),
        Function::Every => matches!(kind, Kind::Boolean),
    }
}

pub(super) fn sum_kind(kind: &Kind) -> Kind {
    match kind {
        Kind::Decimal { precision, scale } => Kind::Decimal {
            precision: match precision {
                39.. => precision.saturating_add(10).min(76),
                _ => (precision + 10).min(38),
            },
            scale: *scale,
        },
        Kind::Whole { signed, .. } => Kind::whole(64, *signed),
        other => other.clone(),
    }
}

fn average_kind(kind: &Kind) -> (Kind, Option<&'static str>) {
    match kind {
        Kind::Decimal { precision, scale } => (
            Kind::Decimal {
                precision: (precision + 4).min(38),
                scale: scale + 4,
            },
            Some("another type of mean"),
        ),
        _ => (Kind::Float { bits: 64 }, None),
    }
}

fn long_text() -> Kind {
    Kind::Text {
        width: 4000,
        layout: Layout::Plain,
    }
}
