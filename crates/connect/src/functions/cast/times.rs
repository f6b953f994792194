//! Dates, timestamps and intervals.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::common::Result;

use super::{Mode, cast_array, numbers};
use crate::functions::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};

pub(super) fn cast(array: &ArrayRef, to: &DataType, mode: &Mode) -> Result<ArrayRef> {
    match (array.data_type(), to) {
        (DataType::Date32, DataType::Timestamp(_, Some(zone))) => {
            let days = array.as_primitive::<Date32Type>();
            let instants: TimestampMicrosecondArray = days.unary(|day| mode.zone.midnight(day));
            Ok(Arc::new(instants.with_timezone(Arc::clone(zone))))
        }
        (DataType::Timestamp(_, from), to) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            from_timestamp(micros, from.is_some(), to, mode)
        }
        (_, DataType::Timestamp(_, zone)) => {
            let micros = instants(array, mode)?;
            Ok(Arc::new(micros.with_timezone_opt(zone.clone())))
        }
        _ => Ok(compute::cast(array, to)?),
    }
}

fn from_timestamp(
    micros: &TimestampMicrosecondArray,
    zoned: bool,
    to: &DataType,
    mode: &Mode,
) -> Result<ArrayRef> {
    match to {
        DataType::Timestamp(_, zone) => {
            let moved: TimestampMicrosecondArray = match (zoned, zone.is_some()) {
                (true, false) => micros.unary(|micros| mode.zone.to_local(micros)),
                (false, true) => micros.unary(|micros| mode.zone.to_utc(micros)),
                _ => micros.clone(),
            };
            Ok(Arc::new(moved.with_timezone_opt(zone.clone())))
        }
        DataType::Date32 => {
            let days: Date32Array = match zoned {
                true => micros.unary(|micros| mode.zone.day(micros)),
                false => micros.unary(|micros| micros.div_euclid(MICROS_PER_DAY) as i32),
            };
            Ok(Arc::new(days))
        }
        DataType::Boolean => {
            let truths: BooleanArray = micros
                .iter()
                .map(|micros| micros.map(|micros| micros != 0))
                .collect();
            Ok(Arc::new(truths))
        }
        DataType::Float32 | DataType::Float64 => {
            let seconds: Float64Array =
                micros.unary(|micros| micros as f64 / MICROS_PER_SECOND as f64);
            Ok(compute::cast(&seconds, to)?)
        }
        DataType::Decimal128(..) => {
            let values: Vec<_> = micros.iter().map(|micros| micros.map(i128::from)).collect();
            let seconds: ArrayRef =
                Arc::new(Decimal128Array::from(values).with_precision_and_scale(20, 6)?);
            cast_array(&seconds, to, mode)
        }
        _ => {
            let seconds: Int64Array = micros.unary(|micros| micros.div_euclid(MICROS_PER_SECOND));
            let seconds: ArrayRef = Arc::new(seconds);
            match to {
                DataType::Int64 => Ok(seconds),
                _ => numbers::cast(&seconds, to, mode),
            }
        }
    }
}

/// Numbers as seconds since 1970.
fn instants(array: &ArrayRef, mode: &Mode) -> Result<TimestampMicrosecondArray> {
    if array.data_type().is_floating() {
        let doubles = compute::cast(array, &DataType::Float64)?;
        let micros = doubles.as_primitive::<Float64Type>().iter().map(|value| {
            value
                .filter(|value| value.is_finite())
                .map(|value| (value * MICROS_PER_SECOND as f64) as i64)
        });
        return Ok(micros.collect());
    }
    if let DataType::Decimal128(..) = array.data_type() {
        let micros = cast_array(array, &DataType::Decimal128(38, 6), mode)?;
        let micros = micros.as_primitive::<Decimal128Type>().iter();
        return Ok(micros
            .map(|micros| micros.and_then(|micros| i64::try_from(micros).ok()))
            .collect());
    }
    let seconds = compute::cast(array, &DataType::Int64)?;
    let seconds = seconds.as_primitive::<Int64Type>();
    Ok(seconds.unary(|seconds| seconds.saturating_mul(MICROS_PER_SECOND)))
}
