//! Intervals: made, taken apart, and counted in units.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, DurationMicrosecondArray, IntervalYearMonthArray,
};
use datafusion::arrow::datatypes::{
    DataType, DurationMicrosecondType, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, TimeUnit,
};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, cast, lit};

use super::arguments::{Call, Resolved};

use super::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, Zone};
use super::coercion;
use super::datetime::local;
use super::native::{Kernel, raise};
use crate::error::Error;

pub(super) const YEAR_MONTH: DataType = DataType::Interval(IntervalUnit::YearMonth);
pub(super) const DAY_TIME: DataType = DataType::Duration(TimeUnit::Microsecond);

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let nullable = call.nullable();
    let expr = match call.name {
        "make_ym_interval" => {
            call.arity(0, 2)?;
            let zero = || lit(0_i32);
            let arguments = vec![
                call.coerced_or(0, &DataType::Int32, zero())?,
                call.coerced_or(1, &DataType::Int32, zero())?,
            ];
            let kernel = Kernel::Int(|row| Ok(Some(row.int(0)? * 12 + row.int(1)?)));
            let months = call.native_named("months", kernel, arguments, DataType::Int32, nullable);
            of_number(call, months, YEAR_MONTH, nullable)
        }
        "make_dt_interval" => {
            call.arity(0, 4)?;
            let mut arguments = Vec::new();
            for index in 0..3 {
                arguments.push(call.coerced_or(index, &DataType::Int32, lit(0_i32))?);
            }
            arguments.push(call.coerced_or(3, &DataType::Float64, lit(0.0))?);
            let kernel = Kernel::Long(|row| {
                let hours = i64::from(row.int(0)?) * 24 + i64::from(row.int(1)?);
                let seconds = (hours * 60 + i64::from(row.int(2)?)) * 60;
                Ok(Some(
                    seconds * MICROS_PER_SECOND
                        + (row.double(3)? * MICROS_PER_SECOND as f64).round() as i64,
                ))
            });
            let micros = call.native_named("micros", kernel, arguments, DataType::Int64, nullable);
            of_number(call, micros, DAY_TIME, true)
        }
        "make_interval" | "try_make_interval" => make_interval(call)?,
        "timestampadd" => timestamp_add(call)?,
        "timestampdiff" => timestamp_diff(call)?,
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// Of years, months, weeks, days, hours, minutes and seconds.
fn make_interval(call: &Call) -> Result<Expr, Error> {
    call.arity(0, 7)?;
    let mut arguments = Vec::with_capacity(7);
    for index in 0..6 {
        arguments.push(call.coerced_or(index, &DataType::Int32, lit(0_i32))?);
    }
    arguments.push(call.coerced_or(6, &DataType::Float64, lit(0.0))?);
    call.registered_as(
        "make_interval",
        arguments,
        DataType::Interval(IntervalUnit::MonthDayNano),
        true,
    )
}

/// Months or microseconds as an interval.
pub(super) fn of_number(call: &Call, number: Expr, to: DataType, nullable: bool) -> Expr {
    let kernel = Kernel::Columns(|inputs| {
        let numbers = datafusion::arrow::compute::cast(&inputs.array(0)?, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        Ok(match inputs.return_type {
            DataType::Duration(_) => {
                Arc::new(numbers.iter().collect::<DurationMicrosecondArray>()) as ArrayRef
            }
            _ => Arc::new(
                numbers
                    .iter()
                    .map(|number| number.map(|number| number as i32))
                    .collect::<IntervalYearMonthArray>(),
            ),
        })
    });
    call.native_named("interval", kernel, vec![number], to, nullable)
}

/// Months, days and microseconds.
pub(super) fn parts(array: &ArrayRef, row: usize) -> Result<(i32, i32, i64)> {
    Ok(match array.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => (
            array.as_primitive::<IntervalYearMonthType>().value(row),
            0,
            0,
        ),
        DataType::Duration(TimeUnit::Microsecond) => (
            0,
            0,
            array.as_primitive::<DurationMicrosecondType>().value(row),
        ),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            (value.months, value.days, value.nanoseconds / 1000)
        }
        other => {
            return Err(DataFusionError::NotImplemented(format!(
                "an interval of {other}"
            )));
        }
    })
}

/// A field of an interval.
pub(super) fn extract(call: &Call, field: &str) -> Result<Expr, Error> {
    let unit = match field {
        "day" | "days" | "d" => MICROS_PER_DAY,
        "hour" | "hours" | "h" => 3600 * MICROS_PER_SECOND,
        "minute" | "minutes" | "m" => 60 * MICROS_PER_SECOND,
        "year" | "years" | "y" => -12,
        "month" | "months" => -1,
        _ => {
            return Err(Error::unsupported(format!(
                "extract({field}) of an interval"
            )));
        }
    };
    let kernel = Kernel::Long(|row| {
        let (intervals, at) = row.other(0)?;
        let (months, days, micros) = parts(intervals, at)?;
        let micros = micros + i64::from(days) * MICROS_PER_DAY;
        Ok(Some(match row.long(1)? {
            -12 => i64::from(months / 12),
            -1 => i64::from(months % 12),
            MICROS_PER_DAY => micros / MICROS_PER_DAY,
            unit if unit == 3600 * MICROS_PER_SECOND => micros % MICROS_PER_DAY / unit,
            unit => micros % (60 * unit) / unit,
        }))
    });
    let value = call.native_named(
        "extract of interval",
        kernel,
        vec![call.expr(1)?, lit(unit)],
        DataType::Int64,
        call.nullable(),
    );
    Ok(cast(value, DataType::Int32))
}

/// A unit's months or microseconds.
fn unit(name: &str) -> Option<(i32, i64)> {
    Some(match name.to_uppercase().as_str() {
        "MICROSECOND" => (0, 1),
        "MILLISECOND" => (0, 1000),
        "SECOND" => (0, MICROS_PER_SECOND),
        "MINUTE" => (0, 60 * MICROS_PER_SECOND),
        "HOUR" => (0, 3600 * MICROS_PER_SECOND),
        "DAY" | "DAYOFYEAR" => (0, MICROS_PER_DAY),
        "WEEK" => (0, 7 * MICROS_PER_DAY),
        "MONTH" => (1, 0),
        "QUARTER" => (3, 0),
        "YEAR" => (12, 0),
        _ => return None,
    })
}

fn named_unit(call: &Call) -> Result<(i32, i64), Error> {
    let name = call.literal_text(0).unwrap_or_default().to_owned();
    unit(&name).ok_or_else(|| {
        Error::analysis(
            "INVALID_PARAMETER_VALUE.DATETIME_UNIT",
            &[
                ("functionName", &format!("`{}`", call.name)),
                ("parameter", "`unit`"),
                ("invalidValue", &format!("'{name}'")),
            ],
        )
    })
}

fn timestamp_add(call: &Call) -> Result<Expr, Error> {
    call.arity(3, 3)?;
    let (months, micros) = named_unit(call)?;
    let to = match coercion::canonical(call.data_type(2)?) {
        timestamp @ DataType::Timestamp(..) => timestamp,
        _ => coercion::timestamp(call.environment.time_zone),
    };
    let kernel = Kernel::Timestamp(|row| {
        let zone = Zone::parse(if row.boolean(4)? {
            row.time_zone()
        } else {
            "UTC"
        })
        .map_err(raise)?;
        let (count, months, micros, instant) =
            (row.long(0)?, row.int(1)?, row.long(2)?, row.timestamp(3)?);
        if months == 0 && micros % MICROS_PER_DAY != 0 {
            return Ok(Some(instant + count * micros));
        }
        let local = zone.to_local(instant);
        let day = Civil::of(local.div_euclid(MICROS_PER_DAY) as i32)
            .plus_months(months * count as i32)
            .days();
        let day = i64::from(day) + count * (micros / MICROS_PER_DAY);
        Ok(Some(zone.to_utc(
            day * MICROS_PER_DAY + local.rem_euclid(MICROS_PER_DAY),
        )))
    });
    let zoned = lit(matches!(to, DataType::Timestamp(_, Some(_))));
    let arguments = vec![
        call.coerced(1, &DataType::Int64)?,
        lit(months),
        lit(micros),
        call.coerced(2, &to)?,
        zoned,
    ];
    Ok(call.native(kernel, arguments, to, call.nullable()))
}

fn timestamp_diff(call: &Call) -> Result<Expr, Error> {
    call.arity(3, 3)?;
    let (months, micros) = named_unit(call)?;
    let kernel = Kernel::Long(|row| {
        let (months, micros) = (row.int(0)?, row.long(1)?);
        let (start, end) = (row.timestamp(2)?, row.timestamp(3)?);
        if months == 0 {
            return Ok(Some((end - start) / micros));
        }
        let day = |micros: i64| Civil::of(micros.div_euclid(MICROS_PER_DAY) as i32);
        let (first, last) = (day(start), day(end));
        let mut whole = (last.year - first.year) * 12 + last.month - first.month;
        let rest = |micros: i64, day: Civil| (day.day, micros.rem_euclid(MICROS_PER_DAY));
        if whole > 0 && rest(end, last) < rest(start, first) {
            whole -= 1;
        } else if whole < 0 && rest(end, last) > rest(start, first) {
            whole += 1;
        }
        Ok(Some(i64::from(whole / months)))
    });
    let arguments = vec![lit(months), lit(micros), local(call, 1)?, local(call, 2)?];
    Ok(call.native(kernel, arguments, DataType::Int64, call.nullable()))
}
