//! Dates and timestamps.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, Resolved, text_literal};
use super::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, Zone, weekday};
use super::native::{Kernel, Row, raise};
use super::{Argument, coercion, instants, intervals, parts, tumbling};
use crate::error::{Error, Kind};

pub(super) fn resolve(call: &mut Call) -> Resolved {
    if let Some(part) = parts::of_date(call.name) {
        call.arity(1, 1)?;
        let date = call.coerced(0, &DataType::Date32)?;
        return Ok(Some(call.native(
            Kernel::Int(part),
            vec![date],
            DataType::Int32,
            call.nullable(),
        )));
    }
    let nullable = call.nullable();
    let date = |call: &Call, index: usize| call.coerced(index, &DataType::Date32);
    let expr = match call.name {
        "hour" | "minute" | "second" => parts::of_time(call)?,
        "monthname" | "dayname" => {
            call.arity(1, 1)?;
            let kernel = match call.name {
                "monthname" => Kernel::Text(|row| {
                    Ok(Some(
                        super::patterns::MONTHS[Civil::of(row.date(0)?).month as usize - 1][..3]
                            .to_owned(),
                    ))
                }),
                _ => Kernel::Text(|row| {
                    Ok(Some(
                        super::patterns::DAYS[weekday(row.date(0)?) as usize][..3].to_owned(),
                    ))
                }),
            };
            call.native(kernel, vec![date(call, 0)?], DataType::Utf8, nullable)
        }
        "extract" | "date_part" | "datepart" => parts::extract(call)?,
        "last_day" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Date(|row| {
                let first = Civil {
                    day: 1,
                    ..Civil::of(row.date(0)?)
                };
                Ok(Some(first.plus_months(1).days() - 1))
            });
            call.native(kernel, vec![date(call, 0)?], DataType::Date32, nullable)
        }
        "date_add" | "dateadd" | "date_sub" => {
            call.arity(2, 2)?;
            add_days(
                call,
                call.argument(0)?,
                call.argument(1)?,
                call.name == "date_sub",
            )?
        }
        "datediff" | "date_diff" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Int(|row| Ok(Some(row.date(0)?.wrapping_sub(row.date(1)?))));
            call.native(
                kernel,
                vec![date(call, 0)?, date(call, 1)?],
                DataType::Int32,
                nullable,
            )
        }
        "add_months" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Date(|row| {
                Ok(Some(
                    Civil::of(row.date(0)?).plus_months(row.int(1)?).days(),
                ))
            });
            call.native(
                kernel,
                vec![date(call, 0)?, call.int(1)?],
                DataType::Date32,
                nullable,
            )
        }
        "months_between" => months_between(call)?,
        "next_day" => {
            call.arity(2, 2)?;
            call.native(
                Kernel::Date(next_day),
                vec![date(call, 0)?, call.text(1)?],
                DataType::Date32,
                true,
            )
        }
        "trunc" => {
            call.arity(2, 2)?;
            let kernel =
                Kernel::Date(|row| Ok(truncated(row.date(0)?, &row.text(1)?.to_uppercase())));
            call.native(
                kernel,
                vec![date(call, 0)?, call.text(1)?],
                DataType::Date32,
                true,
            )
        }
        "date_trunc" => date_trunc(call)?,
        "make_date" => {
            call.arity(3, 3)?;
            let arguments = vec![call.int(0)?, call.int(1)?, call.int(2)?];
            let nullable = nullable || !call.environment.ansi;
            call.native(
                Kernel::Date(make_date),
                arguments,
                DataType::Date32,
                nullable,
            )
        }
        "unix_date" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Int(|row| Ok(Some(row.date(0)?)));
            call.native(kernel, vec![date(call, 0)?], DataType::Int32, nullable)
        }
        "date_from_unix_date" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Date(|row| Ok(Some(row.int(0)?)));
            call.native(kernel, vec![call.int(0)?], DataType::Date32, nullable)
        }
        "current_date" | "curdate" => {
            call.arity(0, 0)?;
            let now = instants::now(call)?;
            let argument = Argument {
                expr: now,
                data_type: coercion::timestamp(call.environment.time_zone),
                nullable: false,
                name: String::new(),
            };
            super::cast(argument, &DataType::Date32, false, call.environment)?
        }
        "current_timezone" => {
            call.arity(0, 0)?;
            text_literal(call.environment.time_zone)
        }
        "to_date" | "try_to_date" => to_date(call)?,
        _ => {
            for area in [instants::resolve, intervals::resolve, tumbling::resolve] {
                if let Some(expr) = area(call)? {
                    return Ok(Some(expr));
                }
            }
            return Ok(None);
        }
    };
    Ok(Some(expr))
}

/// A date so many days on, or back.
pub(super) fn add_days(
    call: &Call,
    start: &Argument,
    days: &Argument,
    back: bool,
) -> Result<Expr, Error> {
    let to = |argument: &Argument, data_type: &DataType| {
        super::cast(argument.clone(), data_type, false, call.environment)
    };
    let arguments = vec![to(start, &DataType::Date32)?, to(days, &DataType::Int32)?];
    let kernel = match back {
        false => Kernel::Date(|row| Ok(Some(row.date(0)?.wrapping_add(row.int(1)?)))),
        true => Kernel::Date(|row| Ok(Some(row.date(0)?.wrapping_sub(row.int(1)?)))),
    };
    let name = if back { "date_sub" } else { "date_add" };
    let forced = coercion::cast_can_give_null(&start.data_type, &DataType::Date32)
        || coercion::cast_can_give_null(&days.data_type, &DataType::Int32);
    let nullable = start.nullable || days.nullable || forced;
    Ok(call.native_named(name, kernel, arguments, DataType::Date32, nullable))
}

/// A date or a timestamp by the wall clock.
pub(super) fn local(call: &Call, index: usize) -> Result<Expr, Error> {
    let argument = call.argument(index)?;
    if *coercion::canonical(&argument.data_type).to_string() == *coercion::TIMESTAMP_NTZ.to_string()
    {
        return Ok(argument.expr.clone());
    }
    let zoned = coercion::timestamp(call.environment.time_zone);
    let instant = Argument {
        expr: call.coerced(index, &zoned)?,
        data_type: zoned,
        ..argument.clone()
    };
    super::cast(instant, &coercion::TIMESTAMP_NTZ, false, call.environment)
}

fn months_between(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 3)?;
    let rounds = call.coerced_or(2, &DataType::Boolean, lit(true))?;
    let kernel = Kernel::Double(|row| {
        let (one, other) = (row.timestamp(0)?, row.timestamp(1)?);
        let day = |micros: i64| Civil::of(micros.div_euclid(MICROS_PER_DAY) as i32);
        let (first, second) = (day(one), day(other));
        let months = f64::from((first.year - second.year) * 12 + first.month - second.month);
        let is_last = |day: Civil| super::calendar::days_in_month(day.year, day.month) == day.day;
        if first.day == second.day || (is_last(first) && is_last(second)) {
            return Ok(Some(months));
        }
        let seconds = |micros: i64| (micros.rem_euclid(MICROS_PER_DAY) / MICROS_PER_SECOND) as f64;
        let difference =
            f64::from(first.day - second.day) * 86_400.0 + seconds(one) - seconds(other);
        let months = months + difference / (31.0 * 86_400.0);
        Ok(Some(if row.boolean(2)? {
            (months * 1e8).round() / 1e8
        } else {
            months
        }))
    });
    let arguments = vec![local(call, 0)?, local(call, 1)?, rounds];
    Ok(call.native(kernel, arguments, DataType::Float64, call.nullable()))
}

fn next_day(row: &Row) -> Result<Option<i32>> {
    const NAMES: [[&str; 3]; 7] = [
        ["MO", "MON", "MONDAY"],
        ["TU", "TUE", "TUESDAY"],
        ["WE", "WED", "WEDNESDAY"],
        ["TH", "THU", "THURSDAY"],
        ["FR", "FRI", "FRIDAY"],
        ["SA", "SAT", "SATURDAY"],
        ["SU", "SUN", "SUNDAY"],
    ];
    let name = row.text(1)?.to_uppercase();
    let Some(wanted) = NAMES
        .iter()
        .position(|names| names.contains(&name.as_str()))
    else {
        let error = Error::new(
            Kind::IllegalArgument,
            "ILLEGAL_DAY_OF_WEEK",
            &[("string", row.text(1)?)],
        );
        return if row.ansi() {
            Err(raise(error))
        } else {
            Ok(None)
        };
    };
    let start = row.date(0)?;
    let ahead = (wanted as i32 - weekday(start) + 6).rem_euclid(7) + 1;
    Ok(Some(start + ahead))
}

/// The first day of the year, quarter, month or week.
fn truncated(days: i32, unit: &str) -> Option<i32> {
    let civil = Civil::of(days);
    Some(match unit {
        "YEAR" | "YYYY" | "YY" => Civil {
            month: 1,
            day: 1,
            ..civil
        }
        .days(),
        "QUARTER" => Civil {
            month: (civil.quarter() - 1) * 3 + 1,
            day: 1,
            ..civil
        }
        .days(),
        "MONTH" | "MM" | "MON" => Civil { day: 1, ..civil }.days(),
        "WEEK" => days - weekday(days),
        _ => return None,
    })
}

fn date_trunc(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    let kernel = Kernel::Timestamp(|row| {
        let zone = Zone::parse(row.time_zone()).map_err(raise)?;
        let (unit, micros) = (row.text(0)?.to_uppercase(), row.timestamp(1)?);
        let local = zone.to_local(micros);
        let floor = |unit: i64| micros - local.rem_euclid(unit);
        let days = local.div_euclid(MICROS_PER_DAY) as i32;
        Ok(match unit.as_str() {
            "MICROSECOND" => Some(micros),
            "MILLISECOND" => Some(floor(1000)),
            "SECOND" => Some(floor(MICROS_PER_SECOND)),
            "MINUTE" => Some(floor(60 * MICROS_PER_SECOND)),
            "HOUR" => Some(floor(3600 * MICROS_PER_SECOND)),
            "DAY" | "DD" => Some(zone.midnight(days)),
            unit => truncated(days, unit).map(|day| zone.midnight(day)),
        })
    });
    let to = coercion::timestamp(call.environment.time_zone);
    Ok(call.native(kernel, vec![call.text(0)?, call.coerced(1, &to)?], to, true))
}

fn make_date(row: &Row) -> Result<Option<i32>> {
    let (year, month, day) = (row.int(0)?, row.int(1)?, row.int(2)?);
    match Civil::new(year, month, day).filter(|_| (-5_000_000..=5_000_000).contains(&year)) {
        Some(civil) => Ok(Some(civil.days())),
        None if !row.ansi() => Ok(None),
        None => Err(raise(out_of_bounds(&format!(
            "Invalid date '{year}-{month}-{day}'"
        )))),
    }
}

pub(super) fn out_of_bounds(message: &str) -> Error {
    Error::new(
        Kind::DateTime,
        "DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION",
        &[
            ("rangeMessage", message),
            ("ansiConfig", "\"spark.sql.ansi.enabled\""),
        ],
    )
}

fn to_date(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 2)?;
    let tries = call.name == "try_to_date";
    if call.len() == 1 || !coercion::is_text(call.data_type(0)?) {
        return super::cast(
            call.argument(0)?.clone(),
            &DataType::Date32,
            tries,
            call.environment,
        );
    }
    let instant = instants::parsed(call, &coercion::TIMESTAMP_NTZ, tries)?;
    let argument = Argument {
        expr: instant,
        data_type: coercion::TIMESTAMP_NTZ,
        nullable: tries || call.nullable(),
        name: String::new(),
    };
    super::cast(argument, &DataType::Date32, false, call.environment)
}
