//! Values as text, as Java writes them: what CSV, JSON and partition directories have in common.

use std::fmt::Write;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, ListArray, MapArray,
    PrimitiveArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit,
};

use crate::error::Error;
use crate::options::Options;
use crate::temporal::{self, Pattern};
use crate::types::spark_name;

/// How dates and timestamps are written.
#[derive(Debug, Clone)]
pub(super) struct Patterns {
    date: Pattern,
    timestamp: Pattern,
    timestamp_ntz: Pattern,
    zone: Tz,
}

impl Patterns {
    /// The options of text formats, which Spark's `CSVOptions` and `JSONOptions` share.
    ///
    /// # Errors
    /// If one is not a pattern that can be written, or there is no such time zone.
    pub(super) fn new(options: &Options, time_zone: &str) -> Result<Self, Error> {
        let pattern = |key, default| Pattern::new(options.get(key).unwrap_or(default));
        Ok(Self {
            date: pattern("dateformat", "yyyy-MM-dd")?,
            timestamp: pattern("timestampformat", "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]")?,
            timestamp_ntz: pattern("timestampntzformat", "yyyy-MM-dd'T'HH:mm:ss[.SSS]")?,
            zone: options.time_zone(time_zone)?,
        })
    }

    /// As Spark casts to strings, which is how it names partition directories.
    pub(super) fn of_casts(time_zone: &str) -> Result<Self, Error> {
        let pattern = "yyyy-MM-dd HH:mm:ss.SSSSSS";
        Ok(Self {
            date: Pattern::new("yyyy-MM-dd")?,
            timestamp: Pattern::new(pattern)?,
            timestamp_ntz: Pattern::new(pattern)?,
            zone: Options::default().time_zone(time_zone)?,
        })
    }
}

/// A column whose values are written as text.
pub(super) enum Cells<'a> {
    Void,
    Boolean(&'a BooleanArray),
    Byte(&'a PrimitiveArray<Int8Type>),
    Short(&'a PrimitiveArray<Int16Type>),
    Int(&'a PrimitiveArray<Int32Type>),
    Long(&'a PrimitiveArray<Int64Type>),
    Float(&'a PrimitiveArray<Float32Type>),
    Double(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a Decimal128Array, i8),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
    TimestampNtz(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    List(&'a ListArray, Box<Cells<'a>>),
    Struct(&'a StructArray, Vec<(&'a str, Cells<'a>)>),
    Map(&'a MapArray, Box<(Cells<'a>, Cells<'a>)>),
}

impl<'a> Cells<'a> {
    /// # Errors
    /// If values of this type are not written as text.
    pub(super) fn new(array: &'a dyn Array) -> Result<Self, Error> {
        Ok(match array.data_type() {
            DataType::Null => Cells::Void,
            DataType::Boolean => Cells::Boolean(array.as_boolean()),
            DataType::Int8 => Cells::Byte(array.as_primitive()),
            DataType::Int16 => Cells::Short(array.as_primitive()),
            DataType::Int32 => Cells::Int(array.as_primitive()),
            DataType::Int64 => Cells::Long(array.as_primitive()),
            DataType::Float32 => Cells::Float(array.as_primitive()),
            DataType::Float64 => Cells::Double(array.as_primitive()),
            DataType::Decimal128(_, scale) => Cells::Decimal(array.as_primitive(), *scale),
            DataType::Date32 => Cells::Date(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                Cells::Timestamp(array.as_primitive())
            }
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Cells::TimestampNtz(array.as_primitive())
            }
            DataType::Utf8 => Cells::Text(array.as_string()),
            DataType::Binary => Cells::Binary(array.as_binary()),
            DataType::List(_) => {
                let list = array.as_list();
                Cells::List(list, Box::new(Cells::new(list.values())?))
            }
            DataType::Struct(fields) => {
                let array = array.as_struct();
                let column = |(field, column): (&'a std::sync::Arc<_>, &'a std::sync::Arc<_>)| {
                    let field: &datafusion::arrow::datatypes::Field = field;
                    let column: &dyn Array = column;
                    Ok((field.name().as_str(), Cells::new(column)?))
                };
                let columns = fields.iter().zip(array.columns()).map(column);
                Cells::Struct(array, columns.collect::<Result<_, Error>>()?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let entries = (Cells::new(map.keys())?, Cells::new(map.values())?);
                Cells::Map(map, Box::new(entries))
            }
            other => {
                return Err(Error::NotSupported(format!(
                    "a column of the type {} cannot be written as text",
                    spark_name(other)
                )));
            }
        })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Void => true,
            Cells::Boolean(array) => array.is_null(row),
            Cells::Byte(array) => array.is_null(row),
            Cells::Short(array) => array.is_null(row),
            Cells::Int(array) => array.is_null(row),
            Cells::Long(array) => array.is_null(row),
            Cells::Float(array) => array.is_null(row),
            Cells::Double(array) => array.is_null(row),
            Cells::Decimal(array, _) => array.is_null(row),
            Cells::Date(array) => array.is_null(row),
            Cells::Timestamp(array) | Cells::TimestampNtz(array) => array.is_null(row),
            Cells::Text(array) => array.is_null(row),
            Cells::Binary(array) => array.is_null(row),
            Cells::List(array, _) => array.is_null(row),
            Cells::Struct(array, _) => array.is_null(row),
            Cells::Map(array, _) => array.is_null(row),
        }
    }

    /// Appends a value that is not null, and not an array, a struct or a map.
    pub(super) fn write(&self, row: usize, patterns: &Patterns, to: &mut String) {
        match self {
            Cells::Boolean(array) => to.push_str(if array.value(row) { "true" } else { "false" }),
            Cells::Byte(array) => display(array, row, to),
            Cells::Short(array) => display(array, row, to),
            Cells::Int(array) => display(array, row, to),
            Cells::Long(array) => display(array, row, to),
            Cells::Float(array) => {
                let value = array.value(row);
                float(value.into(), format!("{value:e}"), to);
            }
            Cells::Double(array) => {
                let value = array.value(row);
                float(value, format!("{value:e}"), to);
            }
            Cells::Decimal(array, scale) => decimal(array.value(row), *scale, to),
            Cells::Date(array) => {
                if let Some(date) = temporal::date(array.value(row)) {
                    patterns.date.format_date(date, to);
                }
            }
            Cells::Timestamp(array) => {
                patterns
                    .timestamp
                    .format_timestamp(array.value(row), patterns.zone, to);
            }
            Cells::TimestampNtz(array) => {
                patterns
                    .timestamp_ntz
                    .format_timestamp_ntz(array.value(row), to);
            }
            Cells::Text(array) => to.push_str(array.value(row)),
            Cells::Binary(array) => to.push_str(&String::from_utf8_lossy(array.value(row))),
            Cells::Void | Cells::List(..) | Cells::Struct(..) | Cells::Map(..) => {}
        }
    }
}

fn display<T>(array: &PrimitiveArray<T>, row: usize, to: &mut String)
where
    T: ArrowPrimitiveType,
    T::Native: std::fmt::Display,
{
    // Writing into a string cannot fail.
    let _ = write!(to, "{}", array.value(row));
}

/// A float as `Double.toString` has it; `scientific` is its shortest form with an exponent.
fn float(value: f64, scientific: String, to: &mut String) {
    if value.is_nan() {
        return to.push_str("NaN");
    }
    if value.is_infinite() {
        return to.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let plain = value == 0.0 || (1e-3..1e7).contains(&value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = match plain {
        true if exponent < 0 => {
            let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
            ("0".to_owned(), zeros + &digits)
        }
        true => {
            let whole = exponent as usize + 1;
            let digits = format!("{digits:0<whole$}");
            (digits[..whole].to_owned(), digits[whole..].to_owned())
        }
        false => (digits[..1].to_owned(), digits[1..].to_owned()),
    };
    let fraction = if fraction.is_empty() { "0" } else { &fraction };
    let _ = write!(to, "{sign}{whole}.{fraction}");
    if !plain {
        let _ = write!(to, "E{exponent}");
    }
}

/// A decimal as `BigDecimal.toString` has it: with an exponent if it is very small.
fn decimal(unscaled: i128, scale: i8, to: &mut String) {
    let digits = unscaled.unsigned_abs().to_string();
    let sign = if unscaled < 0 { "-" } else { "" };
    let exponent = digits.len() as i64 - 1 - i64::from(scale);
    to.push_str(sign);
    let _ = match usize::try_from(scale) {
        Ok(0) => write!(to, "{digits}"),
        Ok(scale) if exponent >= -6 => {
            let least = scale + 1;
            let digits = format!("{digits:0>least$}");
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            write!(to, "{whole}.{fraction}")
        }
        _ if digits.len() == 1 => write!(to, "{digits}E{exponent:+}"),
        _ => write!(to, "{}.{}E{exponent:+}", &digits[..1], &digits[1..]),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those that Spark 4.1 writes.
    #[test]
    fn numbers_are_written_as_java_writes_them() {
        let double = |value: f64| {
            let mut text = String::new();
            float(value, format!("{value:e}"), &mut text);
            text
        };
        for (value, expected) in [
            (1.5, "1.5"),
            (1e10, "1.0E10"),
            (1e-7, "1.0E-7"),
            (100.0, "100.0"),
            (-0.0, "-0.0"),
            (123_456_789.123, "1.23456789123E8"),
            (9_999_999.0, "9999999.0"),
            (0.001, "0.001"),
            (123_456.789, "123456.789"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), expected);
        }
        let decimal = |unscaled, scale| {
            let mut text = String::new();
            super::decimal(unscaled, scale, &mut text);
            text
        };
        assert_eq!(decimal(110, 2), "1.10");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1, 7), "1E-7");
        assert_eq!(decimal(0, 7), "0E-7");
        assert_eq!(decimal(12, 9), "1.2E-8");
        assert_eq!(decimal(100, 0), "100");
    }
}
