//! Every type as a string: Spark's `ToStringBase`.

use std::fmt::Write;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result};

use crate::functions::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, Zone};
use crate::functions::coercion::canonical;

/// The values as strings.
pub(in crate::functions) fn render(array: &ArrayRef, zone: Zone) -> Result<StringArray> {
    let from = canonical(array.data_type());
    let array = datafusion::arrow::compute::cast(array, &from)?;
    let mut texts = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        texts.push(match array.is_null(row) {
            true => None,
            false => Some(value(&array, row, zone)?),
        });
    }
    Ok(StringArray::from(texts))
}

/// The value in a row that is not null.
pub(in crate::functions) fn value(array: &ArrayRef, row: usize, zone: Zone) -> Result<String> {
    Ok(match array.data_type() {
        DataType::Null => "null".to_owned(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => float_text(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => double_text(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            decimal_text(array.as_primitive::<Decimal128Type>().value(row), *scale)
        }
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Binary => {
            String::from_utf8_lossy(array.as_binary::<i32>().value(row)).into_owned()
        }
        DataType::Date32 => date_text(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(_, zoned) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            timestamp_text(if zoned.is_some() {
                zone.to_local(micros)
            } else {
                micros
            })
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>().value(row);
            let (sign, months) = if months < 0 {
                ("-", months.unsigned_abs())
            } else {
                ("", months as u32)
            };
            format!(
                "INTERVAL '{sign}{}-{}' YEAR TO MONTH",
                months / 12,
                months % 12
            )
        }
        DataType::Duration(_) => {
            duration_text(array.as_primitive::<DurationMicrosecondType>().value(row))
        }
        DataType::Interval(_) => {
            calendar_text(array.as_primitive::<IntervalMonthDayNanoType>().value(row))
        }
        _ => nested(array, row, zone)?,
    })
}

fn nested(array: &ArrayRef, row: usize, zone: Zone) -> Result<String> {
    let element = |values: &ArrayRef, row: usize| match values.is_null(row) {
        true => Ok("null".to_owned()),
        false => value(
            &datafusion::arrow::compute::cast(values, &canonical(values.data_type()))?,
            row,
            zone,
        ),
    };
    match array.data_type() {
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            let texts: Result<Vec<_>> =
                (0..values.len()).map(|row| element(&values, row)).collect();
            Ok(format!("[{}]", texts?.join(", ")))
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            let texts: Result<Vec<_>> = columns.map(|column| element(column, row)).collect();
            Ok(format!("{{{}}}", texts?.join(", ")))
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let mut texts = Vec::with_capacity(entries.len());
            for row in 0..entries.len() {
                let key = element(entries.column(0), row)?;
                texts.push(format!("{key} -> {}", element(entries.column(1), row)?));
            }
            Ok(format!("{{{}}}", texts.join(", ")))
        }
        other => Err(DataFusionError::NotImplemented(format!(
            "a string of {other}"
        ))),
    }
}

/// A double as Java's `Double.toString` writes it.
pub(in crate::functions) fn double_text(value: f64) -> String {
    if !value.is_finite() {
        return not_finite(value).to_owned();
    }
    java(&format!("{value:e}"))
}

fn float_text(value: f32) -> String {
    if !value.is_finite() {
        return not_finite(f64::from(value)).to_owned();
    }
    java(&format!("{value:e}"))
}

fn not_finite(value: f64) -> &'static str {
    match value {
        value if value.is_nan() => "NaN",
        value if value > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

/// Rust's shortest scientific notation in Java's: a plain number from 0.001 to 10,000,000.
fn java(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if digits == "0" {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        return format!("{sign}{first}.{rest}E{exponent}");
    }
    if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1) as usize);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits:0<whole$}.0");
    }
    let (whole, fraction) = digits.split_at(whole);
    format!("{sign}{whole}.{fraction}")
}

/// A decimal without an exponent.
pub(in crate::functions) fn decimal_text(value: i128, scale: i8) -> String {
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    let Ok(scale) = usize::try_from(scale) else {
        return format!(
            "{sign}{digits}{}",
            "0".repeat(usize::from(scale.unsigned_abs()))
        );
    };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

pub(in crate::functions) fn date_text(days: i32) -> String {
    let Civil { year, month, day } = Civil::of(days);
    let sign = if year > 9999 {
        "+"
    } else if year < 0 {
        "-"
    } else {
        ""
    };
    format!("{sign}{:04}-{month:02}-{day:02}", year.unsigned_abs())
}

/// A wall clock, without the zeros at the end of its fraction.
pub(in crate::functions) fn timestamp_text(local: i64) -> String {
    let days = local.div_euclid(MICROS_PER_DAY) as i32;
    let time = local.rem_euclid(MICROS_PER_DAY);
    let seconds = time / MICROS_PER_SECOND;
    let mut text = format!(
        "{} {:02}:{:02}:{:02}",
        date_text(days),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    text += &fraction(time % MICROS_PER_SECOND);
    text
}

fn fraction(micros: i64) -> String {
    if micros == 0 {
        return String::new();
    }
    format!(".{micros:06}").trim_end_matches('0').to_owned()
}

fn duration_text(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    format!(
        "INTERVAL '{sign}{} {:02}:{:02}:{:02}{}' DAY TO SECOND",
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        fraction((micros % 1_000_000) as i64)
    )
}

fn calendar_text(value: datafusion::arrow::datatypes::IntervalMonthDayNano) -> String {
    let mut text = String::new();
    let micros = value.nanoseconds / 1000;
    let parts = [
        (i64::from(value.months / 12), "years"),
        (i64::from(value.months % 12), "months"),
        (i64::from(value.days), "days"),
        (micros / 3_600_000_000, "hours"),
        (micros / 60_000_000 % 60, "minutes"),
    ];
    for (count, unit) in parts.into_iter().filter(|(count, _)| *count != 0) {
        let _ = write!(text, "{count} {unit} ");
    }
    let rest = micros % 60_000_000;
    if rest != 0 {
        let sign = if rest < 0 { "-" } else { "" };
        let rest = rest.abs();
        let _ = write!(
            text,
            "{sign}{}{} seconds ",
            rest / 1_000_000,
            fraction(rest % 1_000_000)
        );
    }
    if text.is_empty() {
        "0 seconds".to_owned()
    } else {
        text.trim_end().to_owned()
    }
}
