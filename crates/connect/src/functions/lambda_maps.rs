//! Higher-order functions of maps.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use super::entries::{Entries, Maps};
use super::lambdas::Inputs;
use super::lists::{comparable, elements};

/// The entries of the maps that are not null, with their rows.
fn entries(maps: &Maps, count: usize) -> (Vec<u32>, Vec<u32>) {
    let (mut indexes, mut rows) = (Vec::new(), Vec::new());
    for row in (0..count).filter(|row| !maps.0.is_null(*row)) {
        indexes.extend(maps.range(row).map(|at| at as u32));
        rows.extend(maps.range(row).map(|_| row as u32));
    }
    (indexes, rows)
}

fn of_entries(inputs: &Inputs) -> Result<(ArrayRef, ArrayRef, ArrayRef)> {
    let maps = Maps::new(inputs.value(0)?)?;
    let (indexes, rows) = entries(&maps, inputs.rows);
    let indexes = UInt32Array::from(indexes);
    let (keys, values) = (
        take(maps.0.keys(), &indexes, None)?,
        take(maps.0.values(), &indexes, None)?,
    );
    let answers = inputs.evaluate(0, &[Arc::clone(&keys), Arc::clone(&values)], &rows)?;
    Ok((keys, values, answers))
}

/// A map of the entries of `of_entries`, those that `keeps` says.
fn rebuilt(
    inputs: &Inputs,
    keys: ArrayRef,
    values: ArrayRef,
    keeps: impl Fn(usize) -> bool,
) -> Result<ArrayRef> {
    let maps = Maps::new(inputs.value(0)?)?;
    let mut built = Entries::default();
    let mut from = 0;
    for row in 0..inputs.rows {
        if maps.0.is_null(row) {
            built.null();
            continue;
        }
        let to = from + maps.range(row).len();
        built.row(
            (from..to)
                .filter(|at| keeps(*at))
                .map(|at| (Some((0, at)), Some((0, at)))),
        );
        from = to;
    }
    built.finish(&[keys], &[values], inputs.return_type)
}

pub(super) fn map_filter(inputs: &Inputs) -> Result<ArrayRef> {
    let (keys, values, answers) = of_entries(inputs)?;
    let kept = answers.as_boolean();
    rebuilt(inputs, keys, values, |at| {
        kept.is_valid(at) && kept.value(at)
    })
}

pub(super) fn transform_keys(inputs: &Inputs) -> Result<ArrayRef> {
    let (_, values, answers) = of_entries(inputs)?;
    rebuilt(inputs, answers, values, |_| true)
}

pub(super) fn transform_values(inputs: &Inputs) -> Result<ArrayRef> {
    let (keys, _, answers) = of_entries(inputs)?;
    rebuilt(inputs, keys, answers, |_| true)
}

/// The keys of both maps, those of the first one first.
pub(super) fn map_zip_with(inputs: &Inputs) -> Result<ArrayRef> {
    let (left, right) = (Maps::new(inputs.value(0)?)?, Maps::new(inputs.value(1)?)?);
    let other_keys = cast(right.0.keys(), left.0.keys().data_type())?;
    let keys = comparable(&[left.0.keys(), &other_keys])?;
    let mut built = Entries::default();
    let (mut all, mut ones, mut others, mut rows) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..inputs.rows {
        if left.0.is_null(row) || right.0.is_null(row) {
            built.null();
            continue;
        }
        let from = rows.len();
        for one in left.range(row) {
            let other = right
                .range(row)
                .find(|other| keys[1].row(*other) == keys[0].row(one));
            all.push(Some((0, one)));
            ones.push(Some((0, one)));
            others.push(other.map(|other| (0, other)));
        }
        for other in right.range(row) {
            if !left
                .range(row)
                .any(|one| keys[0].row(one) == keys[1].row(other))
            {
                all.push(Some((1, other)));
                ones.push(None);
                others.push(Some((0, other)));
            }
        }
        rows.extend((from..all.len()).map(|_| row as u32));
        built.row((from..all.len()).map(|at| (Some((0, at)), Some((0, at)))));
    }
    let key = elements(
        &[left.0.keys().clone(), other_keys],
        &all,
        left.0.keys().data_type(),
    )?;
    let one = elements(
        &[left.0.values().clone()],
        &ones,
        left.0.values().data_type(),
    )?;
    let other = elements(
        &[right.0.values().clone()],
        &others,
        right.0.values().data_type(),
    )?;
    let answers = match rows.is_empty() {
        true => new_null_array(&DataType::Null, 0),
        false => inputs.evaluate(0, &[Arc::clone(&key), one, other], &rows)?,
    };
    let answers = match super::coercion::map_entry(inputs.return_type) {
        Some((_, value)) => cast(&answers, value.data_type())?,
        None => answers,
    };
    built.finish(&[key], &[answers], inputs.return_type)
}
