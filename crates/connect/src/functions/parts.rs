//! The fields of dates and times: `year`, `hour`, `extract` and their kin.

use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use super::arguments::Call;
use super::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, weekday};
use super::coercion;
use super::datetime::local;
use super::native::{Kernel, Row};
use crate::error::Error;

/// What a field of a row is.
type Field = fn(&Row) -> Result<Option<i32>>;

/// A field of a date.
pub(super) fn of_date(name: &str) -> Option<Field> {
    Some(match name {
        "year" => |row| Ok(Some(Civil::of(row.date(0)?).year)),
        "quarter" => |row| Ok(Some(Civil::of(row.date(0)?).quarter())),
        "month" => |row| Ok(Some(Civil::of(row.date(0)?).month)),
        "day" | "dayofmonth" => |row| Ok(Some(Civil::of(row.date(0)?).day)),
        "dayofyear" => |row| Ok(Some(Civil::of(row.date(0)?).day_of_year())),
        "dayofweek" => |row| Ok(Some((weekday(row.date(0)?) + 1) % 7 + 1)),
        "weekday" => |row| Ok(Some(weekday(row.date(0)?))),
        "weekofyear" => |row| Ok(Some(Civil::of(row.date(0)?).iso_week().1)),
        "yearofweek" => |row| Ok(Some(Civil::of(row.date(0)?).iso_week().0)),
        "dayofweek_iso" => |row| Ok(Some(weekday(row.date(0)?) + 1)),
        _ => return None,
    })
}

fn second_of_day(row: &Row) -> Result<i32> {
    Ok((row.timestamp(0)?.rem_euclid(MICROS_PER_DAY) / MICROS_PER_SECOND) as i32)
}

pub(super) fn of_time(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let kernel: fn(&Row) -> Result<Option<i32>> = match call.name {
        "hour" => |row| Ok(Some(second_of_day(row)? / 3600)),
        "minute" => |row| Ok(Some(second_of_day(row)? / 60 % 60)),
        _ => |row| Ok(Some(second_of_day(row)? % 60)),
    };
    Ok(call.native(
        Kernel::Int(kernel),
        vec![local(call, 0)?],
        DataType::Int32,
        call.nullable(),
    ))
}

/// `extract(field FROM source)`
pub(super) fn extract(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    let Some(field) = call.literal_text(0).map(str::to_lowercase) else {
        return Err(Error::unsupported(
            "extract with a field that is no literal",
        ));
    };
    if coercion::is_interval(call.data_type(1)?) {
        return super::intervals::extract(call, &field);
    }
    let name = match field.as_str() {
        "year" | "y" | "years" | "yr" | "yrs" => "year",
        "yearofweek" => "yearofweek",
        "quarter" | "qtr" => "quarter",
        "month" | "mon" | "mons" | "months" => "month",
        "week" | "w" | "weeks" => "weekofyear",
        "day" | "d" | "days" => "dayofmonth",
        "dayofweek" | "dow" => "dayofweek",
        "dayofweek_iso" | "dow_iso" => "dayofweek_iso",
        "doy" => "dayofyear",
        "hour" | "h" | "hours" | "hr" | "hrs" => "hour",
        "minute" | "m" | "min" | "mins" | "minutes" => "minute",
        "second" | "s" | "sec" | "seconds" | "secs" => "second",
        _ => {
            return Err(Error::analysis(
                "INVALID_EXTRACT_FIELD",
                &[
                    ("field", &format!("'{field}'")),
                    ("expr", &format!("\"{}\"", call.argument(1)?.name)),
                ],
            ));
        }
    };
    let source = Call::new(
        name,
        vec![call.argument(1)?.clone()],
        false,
        call.environment,
    );
    match of_date(name) {
        Some(part) => {
            let date = source.coerced(0, &DataType::Date32)?;
            Ok(source.native(
                Kernel::Int(part),
                vec![date],
                DataType::Int32,
                source.nullable(),
            ))
        }
        None if name == "second" => {
            let kernel = Kernel::Columns(|inputs| {
                use datafusion::arrow::array::{AsArray, PrimitiveArray};
                use datafusion::arrow::datatypes::TimestampMicrosecondType;
                let micros = inputs.array(0)?;
                let micros = micros.as_primitive::<TimestampMicrosecondType>();
                let seconds: PrimitiveArray<Decimal128Type> =
                    micros.unary(|micros| i128::from(micros.rem_euclid(60 * MICROS_PER_SECOND)));
                Ok(std::sync::Arc::new(seconds.with_precision_and_scale(8, 6)?))
            });
            let to = DataType::Decimal128(8, 6);
            Ok(source.native_named(
                "extract second",
                kernel,
                vec![local(&source, 0)?],
                to,
                source.nullable(),
            ))
        }
        None => of_time(&source),
    }
}
