//! `sequence`: of numbers, dates and timestamps.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int64Array, ListArray, TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, Resolved};
use super::calendar::{Civil, MICROS_PER_DAY, Zone};
use super::coercion::{self, array_of, common_type, element};
use super::native::{Inputs, Kernel, fits, raise};
use super::operators::differing;
use crate::error::{Error, Kind};

/// The most elements that Java's arrays have.
const MOST: i64 = i32::MAX as i64 - 15;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    if call.name != "sequence" {
        return Ok(None);
    }
    call.arity(2, 3)?;
    let (start, stop) = (call.argument(0)?, call.argument(1)?);
    let common = common_type(&start.data_type, &stop.data_type)
        .ok_or_else(|| differing(call, start, stop))?;
    if common.is_integer() {
        return numbers(call, &common).map(Some);
    }
    if coercion::is_date(&common) || coercion::is_timestamp(&common) {
        return times(call, &common).map(Some);
    }
    Err(call.unexpected(0, "(\"INTEGRAL\" or \"DATE\" or \"TIMESTAMP\")"))
}

fn numbers(call: &Call, common: &DataType) -> Result<Expr, Error> {
    let long = |index: usize| -> Result<Expr, Error> {
        Ok(datafusion::logical_expr::cast(
            call.coerced(index, common)?,
            DataType::Int64,
        ))
    };
    let mut arguments = vec![long(0)?, long(1)?];
    if call.len() == 3 {
        arguments.push(long(2)?);
    }
    let kernel = Kernel::Columns(|inputs| {
        let step = inputs.arguments.len() == 3;
        let arrays = inputs.arrays()?;
        let longs: Vec<&Int64Array> = arrays
            .iter()
            .map(|array| array.as_primitive::<Int64Type>())
            .collect();
        lists(inputs, |row| {
            if longs
                .iter()
                .any(|values| datafusion::arrow::array::Array::is_null(*values, row))
            {
                return Ok(None);
            }
            let (start, stop) = (longs[0].value(row), longs[1].value(row));
            let step = match step {
                true => longs[2].value(row),
                false => {
                    if start <= stop {
                        1
                    } else {
                        -1
                    }
                }
            };
            counted(start, stop, step).map(Some)
        })
    });
    Ok(call.native(
        kernel,
        arguments,
        array_of(common.clone(), false),
        call.nullable(),
    ))
}

fn counted(start: i64, stop: i64, step: i64) -> Result<Vec<i64>> {
    let right_way =
        (step > 0 && start <= stop) || (step < 0 && start >= stop) || (step == 0 && start == stop);
    if !right_way {
        return Err(illegal(&format!("{start} to {stop} by {step}")));
    }
    if step == 0 {
        return Ok(vec![start]);
    }
    let steps = (i128::from(stop) - i128::from(start)) / i128::from(step);
    if steps >= i128::from(MOST) {
        return Err(too_long(steps + 1));
    }
    fits(steps as usize, size_of::<i64>())?;
    Ok((0..=steps as i64)
        .map(|index| (i128::from(start) + i128::from(index) * i128::from(step)) as i64)
        .collect())
}

fn illegal(boundaries: &str) -> DataFusionError {
    raise(Error::new(
        Kind::IllegalArgument,
        "ILLEGAL_SEQUENCE_BOUNDARIES",
        &[("boundaries", boundaries)],
    ))
}

fn too_long(count: i128) -> DataFusionError {
    raise(Error::new(
        Kind::Runtime,
        "COLLECTION_SIZE_LIMIT_EXCEEDED.FUNCTION",
        &[
            ("numberOfElements", &count.to_string()),
            ("maxRoundedArrayLength", &MOST.to_string()),
            ("functionName", "`sequence`"),
        ],
    ))
}

/// An array for each row, of longs that are cast to the elements' type.
fn lists(inputs: &Inputs, of: impl Fn(usize) -> Result<Option<Vec<i64>>>) -> Result<ArrayRef> {
    let (mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..inputs.rows {
        let row = of(row)?;
        valid.push(row.is_some());
        let row = row.unwrap_or_default();
        lengths.push(row.len());
        values.extend(row);
    }
    let Some(field) = element(inputs.return_type) else {
        return Err(DataFusionError::Internal(
            "a sequence is an array".to_owned(),
        ));
    };
    let values: ArrayRef = match field.data_type() {
        DataType::Timestamp(_, zone) => {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone_opt(zone.clone()))
        }
        DataType::Date32 => cast(
            &cast(&Int64Array::from(values), &DataType::Int32)?,
            &DataType::Date32,
        )?,
        other => cast(&Int64Array::from(values), other)?,
    };
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        offsets,
        values,
        Some(valid.into()),
    )?))
}

/// Dates and timestamps, a day or an interval apart. Each is reckoned from the first.
fn times(call: &Call, common: &DataType) -> Result<Expr, Error> {
    let is_date = coercion::is_date(common);
    let clock = match is_date {
        true => coercion::TIMESTAMP_NTZ,
        false => common.clone(),
    };
    let cast_to = |index: usize| -> Result<Expr, Error> {
        let expr = call.coerced(index, common)?;
        Ok(if is_date {
            datafusion::logical_expr::cast(expr, clock.clone())
        } else {
            expr
        })
    };
    let mut arguments = vec![cast_to(0)?, cast_to(1)?];
    arguments.push(match call.len() {
        3 => call.expr(2)?,
        _ => lit(datafusion::common::ScalarValue::DurationMicrosecond(Some(
            MICROS_PER_DAY,
        ))),
    });
    let kernel = Kernel::Columns(|inputs| {
        let arrays = inputs.arrays()?;
        let [starts, stops, steps] = arrays.as_slice() else {
            return Err(DataFusionError::Internal(
                "a sequence of times takes three".to_owned(),
            ));
        };
        let zone = match starts.data_type() {
            DataType::Timestamp(_, Some(_)) => inputs.time_zone,
            _ => "UTC",
        };
        let zone = Zone::parse(zone).map_err(raise)?;
        let days = matches!(
            element(inputs.return_type).map(|field| field.data_type()),
            Some(DataType::Date32)
        );
        let longs = |array: &ArrayRef| cast(array, &DataType::Int64);
        let (starts, stops) = (longs(starts)?, longs(stops)?);
        let (starts, stops) = (
            starts.as_primitive::<Int64Type>(),
            stops.as_primitive::<Int64Type>(),
        );
        lists(inputs, |row| {
            use datafusion::arrow::array::Array;
            if starts.is_null(row) || stops.is_null(row) || steps.is_null(row) {
                return Ok(None);
            }
            let step = super::intervals::parts(steps, row)?;
            let instants = stepped(starts.value(row), stops.value(row), step, zone)?;
            Ok(Some(match days {
                true => instants
                    .into_iter()
                    .map(|micros| micros.div_euclid(MICROS_PER_DAY))
                    .collect(),
                false => instants,
            }))
        })
    });
    Ok(call.native_named(
        "sequence of times",
        kernel,
        arguments,
        array_of(common.clone(), false),
        call.nullable(),
    ))
}

fn stepped(
    start: i64,
    stop: i64,
    (months, days, micros): (i32, i32, i64),
    zone: Zone,
) -> Result<Vec<i64>> {
    let local = zone.to_local(start);
    let at = |index: i64| {
        let day = Civil::of(local.div_euclid(MICROS_PER_DAY) as i32)
            .plus_months(months * index as i32)
            .days();
        let day = i64::from(day) + i64::from(days) * index;
        zone.to_utc(day * MICROS_PER_DAY + local.rem_euclid(MICROS_PER_DAY)) + micros * index
    };
    let forward = at(1) > start;
    if at(1) == start || forward != (start <= stop) {
        return match start == stop {
            true => Ok(vec![start]),
            false => Err(illegal("start to stop by step")),
        };
    }
    let mut instants = Vec::new();
    for index in 0..MOST {
        fits(instants.len(), size_of::<i64>())?;
        let next = at(index);
        if (forward && next > stop) || (!forward && next < stop) {
            return Ok(instants);
        }
        instants.push(next);
    }
    Err(too_long(i128::from(MOST)))
}
