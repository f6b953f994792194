//! Window functions. All columns that come out partition the window or order it, so that rows that tie are
//! the same, and it does not matter which of them comes first.

use super::aggregate::sum_kind;
use super::{Dialect, Known, Writer, Written, place, places, renamed};
use crate::kind::Kind;
use crate::relation::{Frame, Window, WindowCall, WindowFunction};

impl Writer<'_> {
    pub(super) fn window(&self, window: &Window) -> Written {
        let input = self.relation(&window.input);
        let places = places(&input.columns, &window.columns, |column| {
            column.kind.is_orderable()
        });
        let (partition, order) = places.split_at(usize::from(window.partition).min(places.len()));
        let names = |places: &[usize], rest: &str| {
            let names = places.iter().map(|place| format!("c{place}{rest}"));
            names.collect::<Vec<_>>().join(", ")
        };
        let mut over = Vec::new();
        if !partition.is_empty() {
            over.push(format!("PARTITION BY {}", names(partition, "")));
        }
        if !order.is_empty() {
            over.push(format!("ORDER BY {}", names(order, " ASC NULLS FIRST")));
        }
        let over = over.join(" ");
        let known = |places: &[usize]| -> Vec<Known> {
            let columns = places.iter().map(|place| input.columns[*place].clone());
            columns.collect()
        };
        let ordered_by = known(order);
        let has_one_order = match order.is_empty() {
            true => window.calls.iter().all(|call| !call.function.needs_order()),
            false => ordered_by.iter().any(|column| column.unique),
        };
        let mut places = places.clone();
        if has_one_order {
            let beside = self::places(&input.columns, &window.beside, |_| true);
            places.extend(
                beside
                    .into_iter()
                    .filter(|place| !places.contains(place))
                    .collect::<Vec<_>>(),
            );
        }
        let shown = known(&places);
        let mut list = vec![renamed("", &places)];
        list.retain(|text| !text.is_empty());
        let mut columns = shown.clone();
        for call in &window.calls {
            let (text, kind) = self.window_call(&shown, &places, call, !ordered_by.is_empty());
            let frame = match call.function.has_frame() && !ordered_by.is_empty() {
                true => frame(call.frame, &ordered_by),
                false => String::new(),
            };
            let text = match (self.dialect, call.function, &kind) {
                (Dialect::DuckDb, WindowFunction::Sum, Kind::Whole { .. }) => {
                    format!("CAST({text} OVER ({over}{frame}) AS BIGINT)")
                }
                _ => format!("{text} OVER ({over}{frame})"),
            };
            list.push(format!("{text} AS c{}", columns.len()));
            columns.push(Known::computed(kind, input.rows));
        }
        let mut written = input.select(&list.join(", "), "", &places);
        if !columns.is_empty() {
            written.columns = columns;
        }
        written
    }

    fn window_call(
        &self,
        shown: &[Known],
        places: &[usize],
        call: &WindowCall,
        is_ordered: bool,
    ) -> (String, Kind) {
        use WindowFunction as F;
        let whole = Kind::whole(64, true);
        let argument = place(shown, call.argument, |column| match call.function {
            F::Sum => column.kind.is_exact(),
            _ => column.kind.is_orderable(),
        });
        // Without an order the first of a frame is any.
        let needs_order = matches!(
            call.function,
            F::First | F::Last | F::Nth(_) | F::Lag(_) | F::Lead(_)
        );
        let Some(shown_at) = argument.filter(|_| is_ordered || !needs_order) else {
            let any = match call.function.needs_order() {
                true => "row_number()",
                false => "count(*)",
            };
            return (any.to_owned(), whole);
        };
        let kind = shown[shown_at].kind.clone();
        let c = format!("c{}", places[shown_at]);
        match call.function {
            F::RowNumber => ("row_number()".to_owned(), whole),
            F::Rank => ("rank()".to_owned(), whole),
            F::DenseRank => ("dense_rank()".to_owned(), whole),
            F::Ntile(tiles) => (format!("ntile({})", tiles.max(1)), whole),
            F::Lag(by) => (format!("lag({c}, {by})"), kind),
            F::Lead(by) => (format!("lead({c}, {by})"), kind),
            F::First => (format!("first_value({c})"), kind),
            F::Last => (format!("last_value({c})"), kind),
            F::Nth(place) => (format!("nth_value({c}, {})", place.max(1)), kind),
            F::Sum => {
                let sum = sum_kind(&kind);
                (format!("sum({c})"), sum)
            }
            F::Count => (format!("count({c})"), whole),
            F::Least => (format!("min({c})"), kind),
            F::Greatest => (format!("max({c})"), kind),
        }
    }
}

fn frame(frame: Frame, ordered_by: &[Known]) -> String {
    let between = match frame {
        Frame::Default => return String::new(),
        Frame::Whole => "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING".to_owned(),
        Frame::Rows(before, after) => {
            format!("ROWS BETWEEN {before} PRECEDING AND {after} FOLLOWING")
        }
        Frame::Groups(before, after) => {
            format!("GROUPS BETWEEN {before} PRECEDING AND {after} FOLLOWING")
        }
        Frame::Range(before, after) => match ordered_by {
            // Near the ends of a type the sum would be beyond them.
            [only] if is_far_from_ends(only) => {
                format!("RANGE BETWEEN {before} PRECEDING AND {after} FOLLOWING")
            }
            _ => "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING".to_owned(),
        },
        Frame::Rest => "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING".to_owned(),
    };
    format!(" {between}")
}

/// Whether a small number can be added to each value of a column.
fn is_far_from_ends(column: &Known) -> bool {
    !column.special
        && matches!(
            column.kind,
            Kind::Whole {
                bits: 32..,
                signed: true
            }
        )
}
