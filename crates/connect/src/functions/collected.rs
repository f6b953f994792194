//! Aggregates that need all values of a group at once: they are collected, and a function of the array
//! follows.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, ListArray, UInt32Array, new_null_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{self, SortOptions, concat, sort, take};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, Resolved};
use super::native::{Inputs, Kernel};
use super::{aggregate, coercion};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "median" => {
            call.arity(1, 1)?;
            percentiles(call, lit(0.5), None)?
        }
        "percentile" => {
            call.arity(2, 3)?;
            if call.len() == 3 && call.literal_int(2) != Some(1) {
                return Err(Error::unsupported("percentile with a frequency"));
            }
            let several = coercion::element(call.data_type(1)?).is_some();
            percentiles(call, percentages(call)?, several.then_some(()))?
        }
        "percentile_approx" | "approx_percentile" => {
            call.arity(2, 3)?;
            approximate(call)?
        }
        "mode" => {
            call.arity(1, 2)?;
            let value = coercion::canonical(call.data_type(0)?);
            finished(
                call,
                value.clone(),
                value,
                Kernel::Columns(|inputs| each(inputs, mode)),
                vec![],
            )?
        }
        "product" => moments(call, Kernel::Columns(|inputs| each(inputs, product)))?,
        "skewness" => moments(call, Kernel::Columns(|inputs| each(inputs, skewness)))?,
        "kurtosis" => moments(call, Kernel::Columns(|inputs| each(inputs, kurtosis)))?,
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// The function of the array of all values, cast to `element`.
fn finished(
    call: &Call,
    element: DataType,
    to: DataType,
    kernel: Kernel,
    rest: Vec<Expr>,
) -> Result<Expr, Error> {
    let value = super::cast(call.argument(0)?.clone(), &element, false, call.environment)?;
    let function = call.environment.registry.udaf("collect_list")?;
    let all = aggregate::aggregate(call, function, vec![value], None);
    let arguments = std::iter::once(all).chain(rest).collect();
    Ok(call.native(kernel, arguments, to, true))
}

fn moments(call: &Call, kernel: Kernel) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    finished(call, DataType::Float64, DataType::Float64, kernel, vec![])
}

fn percentages(call: &Call) -> Result<Expr, Error> {
    match coercion::element(call.data_type(1)?) {
        Some(_) => super::cast(
            call.argument(1)?.clone(),
            &coercion::array_of(DataType::Float64, true),
            false,
            call.environment,
        ),
        None => call.double(1),
    }
}

fn percentiles(call: &Call, percentages: Expr, several: Option<()>) -> Result<Expr, Error> {
    let (to, kernel) = match several {
        Some(()) => (
            coercion::array_of(DataType::Float64, false),
            Kernel::Columns(|inputs| several_percentiles(inputs, interpolated)),
        ),
        None => (
            DataType::Float64,
            Kernel::Columns(|inputs| one_percentile(inputs, interpolated)),
        ),
    };
    finished(call, DataType::Float64, to, kernel, vec![percentages])
}

fn approximate(call: &Call) -> Result<Expr, Error> {
    let value = match coercion::canonical(call.data_type(0)?) {
        DataType::Utf8 | DataType::Null => DataType::Float64,
        other => other,
    };
    let several = coercion::element(call.data_type(1)?).is_some();
    let (to, kernel) = match several {
        true => (
            coercion::array_of(value.clone(), false),
            Kernel::Columns(|inputs| several_percentiles(inputs, nearest)),
        ),
        false => (
            value.clone(),
            Kernel::Columns(|inputs| one_percentile(inputs, nearest)),
        ),
    };
    finished(call, value, to, kernel, vec![percentages(call)?])
}

/// The function of each group's values that are not null; null where it has none.
fn each(inputs: &Inputs, of: fn(&ArrayRef) -> Result<Option<ArrayRef>>) -> Result<ArrayRef> {
    let lists = inputs.array(0)?;
    let lists = lists.as_list::<i32>();
    let mut answers = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let values = present(lists, row)?;
        let answer = if values.is_empty() {
            None
        } else {
            of(&values)?
        };
        answers.push(answer.unwrap_or_else(|| new_null_array(inputs.return_type, 1)));
    }
    joined(&answers, inputs.return_type)
}

fn present(lists: &ListArray, row: usize) -> Result<ArrayRef> {
    if lists.is_null(row) {
        return Ok(new_null_array(&lists.value_type(), 0));
    }
    let values = lists.value(row);
    Ok(match values.null_count() {
        0 => values,
        _ => compute::filter(&values, &compute::is_not_null(&values)?)?,
    })
}

fn joined(parts: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    if parts.is_empty() {
        return Ok(new_null_array(to, 0));
    }
    let parts: Vec<_> = parts.iter().map(|part| part.as_ref()).collect();
    Ok(concat(&parts)?)
}

fn double(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

/// The value that occurs most often.
fn mode(values: &ArrayRef) -> Result<Option<ArrayRef>> {
    let mut counts: HashMap<ScalarValue, (usize, usize)> = HashMap::new();
    for row in 0..values.len() {
        let entry = counts
            .entry(ScalarValue::try_from_array(values, row)?)
            .or_insert((0, row));
        entry.0 += 1;
    }
    let most = counts
        .values()
        .max_by_key(|(count, row)| (*count, std::cmp::Reverse(*row)));
    Ok(most.map(|(_, row)| values.slice(*row, 1)))
}

fn product(values: &ArrayRef) -> Result<Option<ArrayRef>> {
    Ok(Some(double(
        values
            .as_primitive::<Float64Type>()
            .values()
            .iter()
            .product(),
    )))
}

/// The sums of the powers 2, 3 and 4 of the distances from the mean.
fn central(values: &ArrayRef) -> (f64, f64, f64, f64) {
    let values = values.as_primitive::<Float64Type>().values();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let power = |power: i32| {
        values
            .iter()
            .map(|value| (value - mean).powi(power))
            .sum::<f64>()
    };
    (count, power(2), power(3), power(4))
}

fn skewness(values: &ArrayRef) -> Result<Option<ArrayRef>> {
    let (count, second, third, _) = central(values);
    Ok((second != 0.0).then(|| double(count.sqrt() * third / (second * second * second).sqrt())))
}

fn kurtosis(values: &ArrayRef) -> Result<Option<ArrayRef>> {
    let (count, second, _, fourth) = central(values);
    Ok((second != 0.0).then(|| double(count * fourth / (second * second) - 3.0)))
}

/// What a percentile of sorted values is.
type Percentile = fn(&ArrayRef, f64) -> Result<ArrayRef>;

fn interpolated(sorted: &ArrayRef, percentage: f64) -> Result<ArrayRef> {
    let values = sorted.as_primitive::<Float64Type>().values();
    let position = percentage * (values.len() - 1) as f64;
    let at = |index: f64| values.get(index as usize).copied().unwrap_or(f64::NAN);
    let (lower, upper) = (at(position.floor()), at(position.ceil()));
    let share = position - position.floor();
    Ok(double(if lower == upper {
        lower
    } else {
        (1.0 - share) * lower + share * upper
    }))
}

/// The least value that no fewer than this share of all are at most.
fn nearest(sorted: &ArrayRef, percentage: f64) -> Result<ArrayRef> {
    let rank = (percentage * sorted.len() as f64).ceil().max(1.0) as u32;
    Ok(take(sorted, &UInt32Array::from(vec![rank - 1]), None)?)
}

fn one_percentile(inputs: &Inputs, of: Percentile) -> Result<ArrayRef> {
    let (lists, shares) = (inputs.array(0)?, inputs.array(1)?);
    let (lists, shares) = (lists.as_list::<i32>(), shares.as_primitive::<Float64Type>());
    let mut answers = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let values = sort(&present(lists, row)?, Some(SortOptions::default()))?;
        answers.push(match values.is_empty() || shares.is_null(row) {
            true => new_null_array(inputs.return_type, 1),
            false => of(&values, within(shares.value(row))?)?,
        });
    }
    joined(&answers, inputs.return_type)
}

fn several_percentiles(inputs: &Inputs, of: Percentile) -> Result<ArrayRef> {
    let (lists, shares) = (inputs.array(0)?, inputs.array(1)?);
    let (lists, shares) = (lists.as_list::<i32>(), shares.as_list::<i32>());
    let field = coercion::element(inputs.return_type)
        .ok_or_else(|| DataFusionError::Internal("percentiles are an array".to_owned()))?;
    let (mut answers, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..lists.len() {
        let values = sort(&present(lists, row)?, Some(SortOptions::default()))?;
        let wanted = shares.value(row);
        let wanted = wanted.as_primitive::<Float64Type>();
        valid.push(!values.is_empty());
        lengths.push(if values.is_empty() { 0 } else { wanted.len() });
        if !values.is_empty() {
            for share in wanted.values() {
                answers.push(of(&values, within(*share)?)?);
            }
        }
    }
    let values = joined(&answers, field.data_type())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        offsets,
        values,
        Some(valid.into()),
    )?))
}

fn within(percentage: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&percentage) {
        return Ok(percentage);
    }
    Err(DataFusionError::Execution(format!(
        "the percentage must be between 0.0 and 1.0, and not {percentage}"
    )))
}
