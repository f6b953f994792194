//! How many rows come out, roughly: so that a case is neither empty nor endless.

use super::{Known, Written, place};
use crate::relation::{JoinKind, Order, Predicate, Says};

/// Which share of the rows a predicate lets pass.
pub(super) fn share_of(columns: &[Known], predicate: &Predicate) -> f64 {
    let column = place(columns, predicate.column, |_| true).map(|place| &columns[place]);
    match (predicate.says, column) {
        (Says::Compare(Order::Equal, _), Some(column)) => column.hottest,
        (Says::IsNull, Some(column)) => column.nulls,
        (Says::Compare(Order::NotEqual, _) | Says::IsNotNull, _) => 1.0,
        _ => 0.5,
    }
}

/// How many groups these columns make.
pub(super) fn groups(input: &Written, keys: &[usize]) -> f64 {
    let combinations: f64 = keys
        .iter()
        .map(|key| input.columns[*key].distinct + 1.0)
        .product();
    combinations.min(input.rows).max(1.0)
}

/// How many pairs of rows agree in these columns.
pub(super) fn pairs(left: &Written, right: &Written, on: &[(usize, usize, bool)]) -> f64 {
    let selectivity = |(l, r, null_safe): &(usize, usize, bool)| {
        let (l, r) = (&left.columns[*l], &right.columns[*r]);
        let even = 1.0 / l.distinct.max(r.distinct);
        let hot = l.hottest * r.hottest;
        let values = (1.0 - l.nulls) * (1.0 - r.nulls) * even.max(hot);
        let nulls = if *null_safe { l.nulls * r.nulls } else { 0.0 };
        values + nulls
    };
    let least = on.iter().map(selectivity).fold(1.0, f64::min);
    left.rows * right.rows * least
}

/// How many rows a join gives of so many pairs.
pub(super) fn joined(kind: JoinKind, left: f64, right: f64, pairs: f64) -> f64 {
    match kind {
        JoinKind::Inner => pairs,
        JoinKind::Left => pairs + left,
        JoinKind::Right => pairs + right,
        JoinKind::Full => pairs + left + right,
        JoinKind::LeftSemi | JoinKind::LeftAnti => left,
        JoinKind::RightSemi | JoinKind::RightAnti => right,
    }
}
