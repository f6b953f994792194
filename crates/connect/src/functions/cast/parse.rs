//! Strings as values of other types: Spark's `UTF8String`, `SparkDateTimeUtils`.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};

use super::{Mode, invalid_input, out_of_range};
use crate::functions::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, Zone};

pub(super) fn from_text(texts: &StringArray, to: &DataType, mode: &Mode) -> Result<ArrayRef> {
    Ok(match to {
        DataType::Int8 => Arc::new(Int8Array::from(each(texts, to, mode, |text| {
            whole(text)?.try_into().ok()
        })?)),
        DataType::Int16 => Arc::new(Int16Array::from(each(texts, to, mode, |text| {
            whole(text)?.try_into().ok()
        })?)),
        DataType::Int32 => Arc::new(Int32Array::from(each(texts, to, mode, |text| {
            whole(text)?.try_into().ok()
        })?)),
        DataType::Int64 => Arc::new(Int64Array::from(each(texts, to, mode, whole)?)),
        DataType::Float32 => Arc::new(Float32Array::from(each(texts, to, mode, float)?)),
        DataType::Float64 => Arc::new(Float64Array::from(each(texts, to, mode, double)?)),
        DataType::Boolean => Arc::new(BooleanArray::from(each(texts, to, mode, truth)?)),
        DataType::Date32 => Arc::new(Date32Array::from(each(texts, to, mode, parse_date)?)),
        DataType::Timestamp(_, zone) => {
            let read = |text: &str| parse_timestamp(text, zone.is_some().then_some(mode.zone));
            let values = TimestampMicrosecondArray::from(each(texts, to, mode, read)?);
            Arc::new(values.with_timezone_opt(zone.clone()))
        }
        DataType::Decimal128(precision, scale) => decimals(texts, to, *precision, *scale, mode)?,
        other => {
            return Err(DataFusionError::NotImplemented(format!(
                "a cast from string to {other}"
            )));
        }
    })
}

fn each<T>(
    texts: &StringArray,
    to: &DataType,
    mode: &Mode,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<Option<T>>> {
    texts
        .iter()
        .map(|text| match text {
            Some(text) => mode.settle(read(text).ok_or_else(|| invalid_input(text, to))),
            None => Ok(None),
        })
        .collect()
}

fn decimals(
    texts: &StringArray,
    to: &DataType,
    precision: u8,
    scale: i8,
    mode: &Mode,
) -> Result<ArrayRef> {
    let values: Result<Vec<_>> = texts
        .iter()
        .map(|text| match text {
            None => Ok(None),
            Some(text) => mode.settle(match decimal(trim(text), precision, scale) {
                Some(Some(value)) => Ok(value),
                Some(None) => Err(out_of_range(trim(text), precision, scale)),
                None => Err(invalid_input(text, to)),
            }),
        })
        .collect();
    Ok(Arc::new(
        Decimal128Array::from(values?).with_precision_and_scale(precision, scale)?,
    ))
}

/// Without white space and control characters at the ends.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control())
}

fn whole(text: &str) -> Option<i64> {
    let text = trim(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn double(text: &str) -> Option<f64> {
    let text = trim(text);
    if let Some(named) = named_double(text) {
        return Some(named);
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let first = number.trim_start_matches(['+', '-']);
    // Rust reads more names for infinity than Spark.
    first
        .starts_with(|c: char| c.is_ascii_digit() || c == '.')
        .then_some(number)?
        .parse()
        .ok()
}

fn float(text: &str) -> Option<f32> {
    let text = trim(text);
    if let Some(named) = named_double(text) {
        return Some(named as f32);
    }
    double(text)?;
    text.strip_suffix(['d', 'D', 'f', 'F'])
        .unwrap_or(text)
        .parse()
        .ok()
}

fn named_double(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "inf" | "+inf" | "infinity" | "+infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => None,
    }
}

fn truth(text: &str) -> Option<bool> {
    match trim(text).to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// A decimal of that type, rounded half up. `None` for what is no number, `Some(None)` for too large a one.
pub(in crate::functions) fn decimal(text: &str, precision: u8, scale: i8) -> Option<Option<i128>> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // The value is `all` with the point after `point` digits.
    let point = whole.len() as i64 + i64::from(exponent);
    let kept = point + i64::from(scale);
    let mut value: i128 = 0;
    for index in 0..kept.max(0) {
        let digit = usize::try_from(index)
            .ok()
            .and_then(|index| all.get(index))
            .map_or(0, |digit| digit - b'0');
        let Some(next) = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit)))
        else {
            return Some(None);
        };
        value = next;
    }
    let next = usize::try_from(kept)
        .ok()
        .and_then(|index| all.get(index))
        .copied()
        .unwrap_or(b'0');
    if next >= b'5' {
        value += 1;
    }
    let within = value < 10_i128.checked_pow(u32::from(precision))?;
    Some(within.then_some(if negative { -value } else { value }))
}

/// A date: `y`, `y-m` or `y-m-d`, with or without a time behind it.
pub(in crate::functions) fn parse_date(text: &str) -> Option<i32> {
    let text = trim(text);
    let text = match text.find(['T', ' ']) {
        // A date is whole before anything may follow it.
        Some(at) if text[..at].trim_start_matches('-').matches('-').count() == 2 => &text[..at],
        Some(_) => return None,
        None => text,
    };
    date_parts(text).map(Civil::days)
}

fn date_parts(text: &str) -> Option<Civil> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = digits.split('-');
    let year = parts.next()?;
    if !(4..=6).contains(&year.len()) {
        return None;
    }
    let year: i32 = number(year)?;
    let month = match parts.next() {
        Some(month) => number_of(month, 1, 2)?,
        None => 1,
    };
    let day = match parts.next() {
        Some(day) => number_of(day, 1, 2)?,
        None => 1,
    };
    if parts.next().is_some() {
        return None;
    }
    Civil::new(sign * year, month, day)
}

fn number(digits: &str) -> Option<i32> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

fn number_of(digits: &str, least: usize, most: usize) -> Option<i32> {
    (least..=most)
        .contains(&digits.len())
        .then(|| number(digits))
        .flatten()
}

/// A timestamp in microseconds: an instant with a zone for those without one, or a wall clock (`None`),
/// whose zone is read and ignored.
pub(in crate::functions) fn parse_timestamp(text: &str, zone: Option<Zone>) -> Option<i64> {
    let text = trim(text);
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let days = date_parts(date)?.days();
    let midnight = i64::from(days).checked_mul(MICROS_PER_DAY)?;
    let (micros, zoned) = match time {
        Some("") | None => (0, None),
        Some(time) => time_of_day(time)?,
    };
    let local = midnight.checked_add(micros)?;
    Some(match (zone, zoned) {
        (None, _) => local,
        (Some(zone), None) => zone.to_utc(local),
        (Some(_), Some(zone)) => zone.to_utc(local),
    })
}

/// `h:m[:s[.f]]` and a zone behind it.
fn time_of_day(text: &str) -> Option<(i64, Option<Zone>)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
        .unwrap_or(text.len());
    let (clock, zone) = text.split_at(end);
    let zone = match zone.trim() {
        "" => None,
        zone => Some(Zone::parse(zone).ok()?),
    };
    let mut parts = clock.split(':');
    let hour = number_of(parts.next()?, 1, 2)?;
    let minute = match parts.next() {
        Some(minute) => number_of(minute, 1, 2)?,
        None => 0,
    };
    let (second, fraction) = match parts.next() {
        Some(second) => match second.split_once('.') {
            Some((second, fraction)) => (second, fraction),
            None => (second, ""),
        },
        None => ("0", ""),
    };
    let second = number_of(second, 1, 2)?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some((seconds * MICROS_PER_SECOND + micros, zone))
}
