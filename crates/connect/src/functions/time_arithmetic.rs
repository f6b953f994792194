//! Dates, timestamps and intervals under `+`, `-`, `*` and `/`.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, DurationMicrosecondArray, IntervalMonthDayNanoArray, IntervalYearMonthArray,
};
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, Resolved};
use super::arithmetic::Operation;
use super::calendar::{Civil, MICROS_PER_DAY, Zone};
use super::datetime::add_days;
use super::intervals::{DAY_TIME, YEAR_MONTH, of_number, parts};
use super::native::{Kernel, Row, raise};
use super::{Argument, coercion};
use crate::error::Error;

/// Dates, timestamps and intervals in arithmetic; `None` if the arguments are numbers.
pub(super) fn arithmetic(call: &Call, operation: Operation, _tolerant: bool) -> Resolved {
    use coercion::{is_date, is_interval, is_text, is_timestamp};
    let (left, right) = (call.argument(0)?, call.argument(1)?);
    let time =
        |argument: &Argument| is_date(&argument.data_type) || is_timestamp(&argument.data_type);
    let interval = |argument: &Argument| is_interval(&argument.data_type);
    let number =
        |argument: &Argument| argument.data_type.is_integer() || argument.data_type.is_null();
    let back = operation == Operation::Subtract;
    if !matches!(operation, Operation::Add | Operation::Subtract) {
        return match interval(left) || interval(right) {
            true => scaled(call, operation).map(Some),
            false => Ok(None),
        };
    }
    Ok(Some(match (left, right) {
        (left, right) if is_date(&left.data_type) && number(right) => {
            add_days(call, left, right, back)?
        }
        (left, right) if !back && number(left) && is_date(&right.data_type) => {
            add_days(call, right, left, false)?
        }
        (left, right) if time(left) && interval(right) => moved(call, left, right, back)?,
        (left, right) if !back && interval(left) && time(right) => moved(call, right, left, false)?,
        (left, right) if is_text(&left.data_type) && interval(right) => {
            let zoned = coercion::timestamp(call.environment.time_zone);
            let expr = super::cast(left.clone(), &zoned, false, call.environment)?;
            let instant = Argument {
                expr,
                data_type: zoned,
                ..left.clone()
            };
            moved(call, &instant, right, back)?
        }
        (left, right) if back && (time(left) || is_text(&left.data_type)) && time(right) => {
            difference(call)?
        }
        (left, right) if back && time(left) && is_text(&right.data_type) => difference(call)?,
        (left, right) if interval(left) && interval(right) => {
            let kernel = match back {
                true => Kernel::Columns(|inputs| {
                    sum(&inputs.array(0)?, &inputs.array(1)?, -1, inputs.return_type)
                }),
                false => Kernel::Columns(|inputs| {
                    sum(&inputs.array(0)?, &inputs.array(1)?, 1, inputs.return_type)
                }),
            };
            let to = match left.data_type == right.data_type {
                true => left.data_type.clone(),
                false => DataType::Interval(IntervalUnit::MonthDayNano),
            };
            let name = if back { "interval -" } else { "interval +" };
            call.native_named(
                name,
                kernel,
                vec![left.expr.clone(), right.expr.clone()],
                to,
                call.nullable(),
            )
        }
        _ => return Ok(None),
    }))
}

/// A date or a timestamp and an interval.
fn moved(call: &Call, start: &Argument, interval: &Argument, back: bool) -> Result<Expr, Error> {
    let nullable = start.nullable || interval.nullable;
    let sign = lit(if back { -1_i32 } else { 1 });
    if coercion::is_date(&start.data_type) && keeps_days(interval) {
        let kernel = Kernel::Date(|row| {
            let (intervals, at) = row.other(1)?;
            let (months, days, micros) = parts(intervals, at)?;
            let sign = row.int(2)?;
            let days = days + (micros / MICROS_PER_DAY) as i32;
            Ok(Some(
                Civil::of(row.date(0)?).plus_months(sign * months).days() + sign * days,
            ))
        });
        let start = super::cast(start.clone(), &DataType::Date32, false, call.environment)?;
        let arguments = vec![start, interval.expr.clone(), sign];
        return Ok(call.native_named(
            "date and interval",
            kernel,
            arguments,
            DataType::Date32,
            nullable,
        ));
    }
    let to = match coercion::canonical(&start.data_type) {
        timestamp @ DataType::Timestamp(..) => timestamp,
        _ => coercion::timestamp(call.environment.time_zone),
    };
    let zoned = lit(matches!(to, DataType::Timestamp(_, Some(_))));
    let start = super::cast(start.clone(), &to, false, call.environment)?;
    let arguments = vec![start, interval.expr.clone(), sign, zoned];
    Ok(call.native_named(
        "time and interval",
        Kernel::Timestamp(later),
        arguments,
        to,
        nullable,
    ))
}

/// Whether a date stays one: a literal without a time of day, or months.
fn keeps_days(interval: &Argument) -> bool {
    match super::arguments::literal(&interval.expr) {
        _ if interval.data_type == YEAR_MONTH => true,
        Some(ScalarValue::DurationMicrosecond(Some(micros))) => micros % MICROS_PER_DAY == 0,
        Some(ScalarValue::IntervalMonthDayNano(Some(value))) => value.nanoseconds == 0,
        _ => false,
    }
}

fn later(row: &Row) -> Result<Option<i64>> {
    let (intervals, at) = row.other(1)?;
    let (months, days, micros) = parts(intervals, at)?;
    let sign = row.int(2)?;
    let zone = Zone::parse(if row.boolean(3)? {
        row.time_zone()
    } else {
        "UTC"
    })
    .map_err(raise)?;
    let mut instant = row.timestamp(0)?;
    if months != 0 || days != 0 {
        let local = zone.to_local(instant);
        let day = Civil::of(local.div_euclid(MICROS_PER_DAY) as i32)
            .plus_months(sign * months)
            .days();
        let day = i64::from(day) + i64::from(sign * days);
        instant = zone.to_utc(day * MICROS_PER_DAY + local.rem_euclid(MICROS_PER_DAY));
    }
    Ok(Some(instant.saturating_add(i64::from(sign) * micros)))
}

/// The time between two dates or timestamps.
fn difference(call: &Call) -> Result<Expr, Error> {
    let nullable = call.nullable();
    let dates = call.arguments.iter().all(|argument| {
        coercion::is_date(&argument.data_type) || coercion::is_text(&argument.data_type)
    });
    let micros = if dates {
        let kernel = Kernel::Long(|row| {
            Ok(Some(
                (i64::from(row.date(0)?) - i64::from(row.date(1)?)) * MICROS_PER_DAY,
            ))
        });
        let arguments = vec![
            call.coerced(0, &DataType::Date32)?,
            call.coerced(1, &DataType::Date32)?,
        ];
        call.native_named("days between", kernel, arguments, DataType::Int64, nullable)
    } else {
        let kernel = Kernel::Long(|row| Ok(Some(row.timestamp(0)? - row.timestamp(1)?)));
        // Of instants, unless both are wall clocks.
        let clock = call
            .arguments
            .iter()
            .all(|argument| coercion::same_type(&argument.data_type, &coercion::TIMESTAMP_NTZ));
        let to = if clock {
            coercion::TIMESTAMP_NTZ
        } else {
            coercion::timestamp(call.environment.time_zone)
        };
        let arguments = vec![call.coerced(0, &to)?, call.coerced(1, &to)?];
        call.native_named("time between", kernel, arguments, DataType::Int64, nullable)
    };
    Ok(of_number(call, micros, DAY_TIME, nullable))
}

fn sum(left: &ArrayRef, right: &ArrayRef, sign: i32, to: &DataType) -> Result<ArrayRef> {
    let mut all = Vec::with_capacity(left.len());
    for row in 0..left.len() {
        if left.is_null(row) || right.is_null(row) {
            all.push(None);
            continue;
        }
        let (one, other) = (parts(left, row)?, parts(right, row)?);
        all.push(Some((
            one.0 + sign * other.0,
            one.1 + sign * other.1,
            one.2 + i64::from(sign) * other.2,
        )));
    }
    Ok(match to {
        DataType::Duration(_) => Arc::new(
            all.iter()
                .map(|part| part.map(|part| part.2))
                .collect::<DurationMicrosecondArray>(),
        ) as ArrayRef,
        DataType::Interval(IntervalUnit::YearMonth) => Arc::new(
            all.iter()
                .map(|part| part.map(|part| part.0))
                .collect::<IntervalYearMonthArray>(),
        ),
        _ => {
            let value = |(months, days, micros): (i32, i32, i64)| {
                IntervalMonthDayNanoType::make_value(months, days, micros * 1000)
            };
            Arc::new(
                all.iter()
                    .map(|part| part.map(value))
                    .collect::<IntervalMonthDayNanoArray>(),
            )
        }
    })
}

/// An interval times a number, or divided by one.
fn scaled(call: &Call, operation: Operation) -> Result<Expr, Error> {
    let interval_first = coercion::is_interval(call.data_type(0)?);
    let (interval, factor) = if interval_first { (0, 1) } else { (1, 0) };
    let to = call.data_type(interval)?.clone();
    let kernel = match operation {
        Operation::Multiply => Kernel::Long(|row| {
            let (intervals, at) = row.other(0)?;
            let (months, _, micros) = parts(intervals, at)?;
            Ok(Some(
                ((i64::from(months) + micros) as f64 * row.double(1)?).round() as i64,
            ))
        }),
        Operation::Divide if interval_first => Kernel::Long(|row| {
            let (intervals, at) = row.other(0)?;
            let (months, _, micros) = parts(intervals, at)?;
            let divisor = row.double(1)?;
            if divisor == 0.0 {
                let error = Error::new(
                    crate::error::Kind::Arithmetic,
                    "INTERVAL_DIVIDED_BY_ZERO",
                    &[],
                );
                return Err(raise(error));
            }
            Ok(Some(
                ((i64::from(months) + micros) as f64 / divisor).round() as i64,
            ))
        }),
        _ => return Err(call.unexpected(0, "\"NUMERIC\"")),
    };
    let name = format!("interval {operation:?}");
    let arguments = vec![call.expr(interval)?, call.double(factor)?];
    let number = call.native_named(&name, kernel, arguments, DataType::Int64, call.nullable());
    Ok(of_number(call, number, to, true))
}
