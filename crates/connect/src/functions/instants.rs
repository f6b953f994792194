//! Timestamps: from strings, from numbers and back.

use std::cell::RefCell;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, lit};

use super::Argument;
use super::arguments::{Call, Resolved, text_literal};
use super::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, Zone};
use super::coercion::{self, TIMESTAMP_NTZ};
use super::datetime::{local, out_of_bounds};
use super::native::{Kernel, Row, declared, raise};
use super::patterns::Pattern;
use crate::error::{Error, Kind};

const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let zoned = coercion::timestamp(call.environment.time_zone);
    let nullable = call.nullable();
    let long = |call: &Call| call.coerced(0, &DataType::Int64);
    let expr = match call.name {
        "current_timestamp" | "now" => {
            call.arity(0, 0)?;
            now(call)?
        }
        "localtimestamp" => {
            call.arity(0, 0)?;
            let now = Argument {
                expr: now(call)?,
                data_type: zoned,
                nullable: false,
                name: String::new(),
            };
            super::cast(now, &TIMESTAMP_NTZ, false, call.environment)?
        }
        "to_timestamp" | "to_timestamp_ltz" | "try_to_timestamp" => to_timestamp(call, &zoned)?,
        "to_timestamp_ntz" => to_timestamp(call, &TIMESTAMP_NTZ)?,
        "unix_timestamp" | "to_unix_timestamp" => unix_timestamp(call)?,
        "from_unixtime" => {
            call.arity(1, 2)?;
            let kernel =
                Kernel::Text(|row| format(row, row.long(0)?.saturating_mul(MICROS_PER_SECOND)));
            let pattern = call.coerced_or(1, &DataType::Utf8, text_literal(DEFAULT))?;
            call.native(kernel, vec![long(call)?, pattern], DataType::Utf8, true)
        }
        "date_format" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Text(|row| format(row, row.timestamp(0)?));
            call.native(
                kernel,
                vec![call.coerced(0, &zoned)?, call.text(1)?],
                DataType::Utf8,
                nullable,
            )
        }
        "timestamp_seconds" => {
            call.arity(1, 1)?;
            let nullable = nullable || call.data_type(0)?.is_floating();
            let expr = super::cast(call.argument(0)?.clone(), &zoned, false, call.environment)?;
            declared(expr, zoned, nullable)
        }
        "timestamp_millis" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Timestamp(|row| Ok(Some(row.long(0)?.saturating_mul(1000))));
            call.native(kernel, vec![long(call)?], zoned, nullable)
        }
        "timestamp_micros" => {
            call.arity(1, 1)?;
            call.native(
                Kernel::Timestamp(|row| Ok(Some(row.long(0)?))),
                vec![long(call)?],
                zoned,
                nullable,
            )
        }
        "unix_seconds" | "unix_millis" | "unix_micros" => {
            call.arity(1, 1)?;
            let kernel: fn(&Row) -> Result<Option<i64>> = match call.name {
                "unix_seconds" => |row| Ok(Some(row.timestamp(0)?.div_euclid(MICROS_PER_SECOND))),
                "unix_millis" => |row| Ok(Some(row.timestamp(0)?.div_euclid(1000))),
                _ => |row| Ok(Some(row.timestamp(0)?)),
            };
            call.native(
                Kernel::Long(kernel),
                vec![call.coerced(0, &zoned)?],
                DataType::Int64,
                nullable,
            )
        }
        "from_utc_timestamp" | "to_utc_timestamp" => {
            call.arity(2, 2)?;
            let kernel: fn(&Row) -> Result<Option<i64>> = match call.name {
                "from_utc_timestamp" => |row| shift(row, true),
                _ => |row| shift(row, false),
            };
            call.native(
                Kernel::Timestamp(kernel),
                vec![call.coerced(0, &zoned)?, call.text(1)?],
                zoned,
                nullable,
            )
        }
        "convert_timezone" => {
            call.arity(2, 3)?;
            let last = call.len() - 1;
            let source = if last == 2 {
                call.text(0)?
            } else {
                text_literal(call.environment.time_zone)
            };
            let kernel = Kernel::Timestamp(|row| {
                let from = Zone::parse(row.text(0)?).map_err(raise)?;
                let to = Zone::parse(row.text(1)?).map_err(raise)?;
                Ok(Some(to.to_local(from.to_utc(row.timestamp(2)?))))
            });
            let arguments = vec![source, call.text(last - 1)?, local(call, last)?];
            call.native(kernel, arguments, TIMESTAMP_NTZ, nullable)
        }
        "make_timestamp"
        | "make_timestamp_ltz"
        | "try_make_timestamp"
        | "try_make_timestamp_ltz" => make_timestamp(call, zoned)?,
        "make_timestamp_ntz" | "try_make_timestamp_ntz" => make_timestamp(call, TIMESTAMP_NTZ)?,
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// The instant at which the query began.
pub(super) fn now(call: &Call) -> Result<Expr, Error> {
    let zoned = coercion::timestamp(call.environment.time_zone);
    Ok(datafusion::logical_expr::cast(
        call.registered("now", vec![])?,
        zoned,
    ))
}

/// A pattern read once for the rows that follow each other with it.
fn with_pattern<T>(text: &str, of: impl FnOnce(&Pattern) -> T) -> Result<T> {
    thread_local! {
        static LAST: RefCell<Option<(String, Pattern)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        if let Some((known, pattern)) = last.as_ref()
            && known == text
        {
            return Ok(of(pattern));
        }
        let (_, pattern) = last.insert((text.to_owned(), Pattern::new(text).map_err(raise)?));
        Ok(of(pattern))
    })
}

fn format(row: &Row, micros: i64) -> Result<Option<String>> {
    let zone = Zone::parse(row.time_zone()).map_err(raise)?;
    let offset = zone.offset(micros);
    let local = micros.saturating_add(offset * MICROS_PER_SECOND);
    let text = with_pattern(row.text(1)?, |pattern| {
        pattern.format(local, offset, row.time_zone())
    })?;
    text.map(Some).map_err(raise)
}

fn to_timestamp(call: &Call, to: &DataType) -> Result<Expr, Error> {
    call.arity(1, 2)?;
    let tries = call.name.starts_with("try");
    if call.len() == 1 || !coercion::is_text(call.data_type(0)?) {
        let expr = super::cast(call.argument(0)?.clone(), to, tries, call.environment)?;
        let forced = coercion::cast_can_give_null(call.data_type(0)?, to);
        return Ok(declared(
            expr,
            to.clone(),
            call.nullable() || tries || forced,
        ));
    }
    parsed(call, to, tries)
}

/// The first argument read by the pattern in the second.
pub(super) fn parsed(call: &Call, to: &DataType, tries: bool) -> Result<Expr, Error> {
    let zoned = *to != TIMESTAMP_NTZ;
    let kernel = match tries {
        true => Kernel::Timestamp(|row| parse(row, true)),
        false => Kernel::Timestamp(|row| parse(row, false)),
    };
    let name = if tries { "try_parse" } else { "parse" };
    let nullable = tries || call.nullable() || !call.environment.ansi;
    let arguments = vec![call.text(0)?, call.text(1)?, lit(zoned)];
    Ok(call.native_named(name, kernel, arguments, to.clone(), nullable))
}

fn parse(row: &Row, tries: bool) -> Result<Option<i64>> {
    let (text, pattern, zoned) = (row.text(0)?, row.text(1)?, row.boolean(2)?);
    let Some((local, zone)) = with_pattern(pattern, |pattern| pattern.parse(text))? else {
        if tries || !row.ansi() {
            return Ok(None);
        }
        return Err(raise(Error::new(
            Kind::DateTime,
            "CANNOT_PARSE_TIMESTAMP",
            &[
                ("message", &format!("Text '{text}' could not be parsed")),
                ("func", "`try_to_timestamp`"),
            ],
        )));
    };
    if !zoned {
        return Ok(Some(local));
    }
    match zone {
        Some(zone) => Ok(Some(zone.to_utc(local))),
        None => Ok(Some(
            Zone::parse(row.time_zone()).map_err(raise)?.to_utc(local),
        )),
    }
}

fn unix_timestamp(call: &Call) -> Result<Expr, Error> {
    call.arity(0, 2)?;
    let zoned = coercion::timestamp(call.environment.time_zone);
    let instant = match call.len() {
        0 => now(call)?,
        _ if coercion::is_text(call.data_type(0)?) => {
            let pattern = call.coerced_or(1, &DataType::Utf8, text_literal(DEFAULT))?;
            let arguments = vec![
                call.argument(0)?.clone(),
                Argument {
                    expr: pattern,
                    data_type: DataType::Utf8,
                    nullable: false,
                    name: String::new(),
                },
            ];
            let call = Call::new(call.name, arguments, false, call.environment);
            parsed(&call, &zoned, false)?
        }
        _ => call.coerced(0, &zoned)?,
    };
    let kernel = Kernel::Long(|row| Ok(Some(row.timestamp(0)?.div_euclid(MICROS_PER_SECOND))));
    Ok(call.native_named(
        "unix_seconds",
        kernel,
        vec![instant],
        DataType::Int64,
        call.nullable(),
    ))
}

/// The clock of another zone at an instant, as if it were this one's; or the other way round.
fn shift(row: &Row, from_utc: bool) -> Result<Option<i64>> {
    let zone = Zone::parse(row.text(1)?).map_err(raise)?;
    let here = Zone::parse(row.time_zone()).map_err(raise)?;
    let clock = here.to_local(row.timestamp(0)?);
    let moved = if from_utc {
        zone.to_local(clock)
    } else {
        zone.to_utc(clock)
    };
    Ok(Some(here.to_utc(moved)))
}

/// Of a year, a month, a day, an hour, a minute and seconds, and perhaps of a zone.
fn make_timestamp(call: &Call, to: DataType) -> Result<Expr, Error> {
    call.arity(6, 7)?;
    let tries = call.name.starts_with("try");
    let mut arguments = Vec::with_capacity(7);
    for index in 0..5 {
        arguments.push(call.int(index)?);
    }
    let seconds = call.coerced(5, &DataType::Decimal128(16, 6))?;
    arguments.push(datafusion::logical_expr::cast(seconds, DataType::Float64));
    let zone = call.coerced_or(6, &DataType::Utf8, text_literal(call.environment.time_zone))?;
    arguments.push(if to == TIMESTAMP_NTZ {
        text_literal("UTC")
    } else {
        zone
    });
    let kernel = match tries {
        true => Kernel::Timestamp(|row| made(row, true)),
        false => Kernel::Timestamp(|row| made(row, false)),
    };
    let nullable = tries || !call.environment.ansi || call.nullable();
    Ok(call.native(kernel, arguments, to, nullable))
}

fn made(row: &Row, tries: bool) -> Result<Option<i64>> {
    let (year, month, day) = (row.int(0)?, row.int(1)?, row.int(2)?);
    let (hour, minute, seconds) = (row.int(3)?, row.int(4)?, row.double(5)?);
    let micros = (seconds * MICROS_PER_SECOND as f64).round() as i64;
    let inside = (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60 * MICROS_PER_SECOND).contains(&micros);
    let Some(civil) = Civil::new(year, month, day).filter(|_| inside) else {
        let message = format!("Invalid timestamp '{year}-{month}-{day} {hour}:{minute}:{seconds}'");
        return if tries || !row.ansi() {
            Ok(None)
        } else {
            Err(raise(out_of_bounds(&message)))
        };
    };
    let time = (i64::from(hour) * 3600 + i64::from(minute) * 60) * MICROS_PER_SECOND + micros;
    let zone = Zone::parse(row.text(6)?).map_err(raise)?;
    Ok(Some(
        zone.to_utc(i64::from(civil.days()) * MICROS_PER_DAY + time),
    ))
}
