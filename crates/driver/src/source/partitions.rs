//! Partition columns: what `key=value` directories say about the files in them. Spark's
//! `PartitioningUtils`.

use std::sync::Arc;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::ScalarValue;

use super::files::DataFile;
use crate::error::Error;
use crate::temporal::{self, Pattern};
use crate::values::{Decimal, parse_float};

/// The value of a directory for null, as Hive names it.
pub(crate) const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The partition columns of these files. A column that is in `schema` has its type; others have the
/// narrowest that holds all values.
pub(crate) fn columns(files: &[DataFile], schema: Option<&Schema>, time_zone: &str) -> Vec<Field> {
    let Some(first) = files.first() else {
        return Vec::new();
    };
    let column = |(at, (name, _)): (usize, &(String, String))| {
        let given = schema.and_then(|schema| {
            let mut fields = schema.fields().iter();
            fields.find(|field| field.name().eq_ignore_ascii_case(name))
        });
        match given {
            Some(field) => field.as_ref().clone().with_nullable(true),
            None => {
                let values = files.iter().map(|file| file.keys[at].1.as_str());
                let inferred = values.map(infer).reduce(widened);
                Field::new(
                    name,
                    inferred.unwrap_or(Inferred::Nothing).data_type(time_zone),
                    true,
                )
            }
        }
    };
    first.keys.iter().enumerate().map(column).collect()
}

/// The values of the partition columns for one file.
///
/// # Errors
/// If one is not of its column's type.
pub(crate) fn values(
    file: &DataFile,
    columns: &[Arc<Field>],
    zone: Tz,
) -> Result<Vec<ScalarValue>, Error> {
    let value = |((name, text), field): (&(String, String), &Arc<Field>)| {
        value(text, field.data_type(), zone).ok_or_else(|| {
            Error::Table(format!(
                "the directory {name}={text} of {} is no {} for the partition column {name}",
                file.path.display(),
                crate::types::spark_name(field.data_type())
            ))
        })
    };
    file.keys.iter().zip(columns).map(value).collect()
}

fn value(text: &str, data_type: &DataType, zone: Tz) -> Option<ScalarValue> {
    if text == NULL {
        return ScalarValue::try_from(data_type).ok();
    }
    Some(match data_type {
        DataType::Int32 => ScalarValue::Int32(Some(text.parse().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(text.parse().ok()?)),
        DataType::Float64 => ScalarValue::Float64(Some(parse_float(text)?)),
        DataType::Decimal128(precision, scale) => {
            let unscaled = Decimal::parse(text)?.unscaled(*precision, *scale)?;
            ScalarValue::Decimal128(Some(unscaled), *precision, *scale)
        }
        DataType::Date32 => ScalarValue::Date32(Some(temporal::parse_date(text)?)),
        DataType::Timestamp(TimeUnit::Microsecond, Some(name)) => {
            let micros = temporal::parse_timestamp(text, zone)?;
            ScalarValue::TimestampMicrosecond(Some(micros), Some(Arc::clone(name)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            ScalarValue::TimestampMicrosecond(Some(temporal::parse_timestamp_ntz(text)?), None)
        }
        other => ScalarValue::try_from_string(text.to_owned(), other).ok()?,
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Inferred {
    Nothing,
    Int,
    Long,
    Decimal(u8),
    Double,
    Date,
    Timestamp,
    String,
}

impl Inferred {
    fn data_type(self, time_zone: &str) -> DataType {
        match self {
            Inferred::Nothing => DataType::Null,
            Inferred::Int => DataType::Int32,
            Inferred::Long => DataType::Int64,
            Inferred::Decimal(digits) => DataType::Decimal128(digits, 0),
            Inferred::Double => DataType::Float64,
            Inferred::Date => DataType::Date32,
            Inferred::Timestamp => {
                DataType::Timestamp(TimeUnit::Microsecond, Some(time_zone.into()))
            }
            Inferred::String => DataType::Utf8,
        }
    }
}

fn infer(text: &str) -> Inferred {
    let digits = || {
        Decimal::parse(text)?
            .whole_digits()
            .filter(|&digits| digits <= 38)
    };
    let is = |pattern: &str, date: bool| {
        Pattern::new(pattern).is_ok_and(|pattern| match date {
            true => pattern.parse_date(text).is_some(),
            false => pattern.parse_timestamp_ntz(text).is_some(),
        })
    };
    match text {
        NULL => Inferred::Nothing,
        _ if text.parse::<i32>().is_ok() => Inferred::Int,
        _ if text.parse::<i64>().is_ok() => Inferred::Long,
        _ if digits().is_some() => digits().map_or(Inferred::String, Inferred::Decimal),
        _ if parse_float::<f64>(text).is_some() => Inferred::Double,
        _ if is("yyyy-MM-dd", true) => Inferred::Date,
        _ if is("yyyy-MM-dd HH:mm:ss[.S]", false) => Inferred::Timestamp,
        _ => Inferred::String,
    }
}

fn widened(one: Inferred, other: Inferred) -> Inferred {
    use Inferred::{Date, Decimal, Double, Int, Long, Nothing, Timestamp};

    match (one, other) {
        (one, other) if one == other => one,
        (Nothing, other) | (other, Nothing) => other,
        (Int, Long) | (Long, Int) => Long,
        (Int, Double) | (Double, Int) => Double,
        (Decimal(one), Decimal(other)) => Decimal(one.max(other)),
        (Int, Decimal(digits)) | (Decimal(digits), Int) => Decimal(digits.max(10)),
        (Long, Decimal(digits)) | (Decimal(digits), Long) => Decimal(digits.max(20)),
        (Date, Timestamp) | (Timestamp, Date) => Timestamp,
        _ => Inferred::String,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn data_type(values: &[&str]) -> DataType {
        let file = |value: &&str| DataFile {
            path: "f".into(),
            size: 0,
            modified: SystemTime::UNIX_EPOCH,
            keys: vec![("k".to_owned(), (*value).to_owned())],
        };
        let files: Vec<DataFile> = values.iter().map(file).collect();
        columns(&files, None, "UTC")[0].data_type().clone()
    }

    /// As Spark 4.1 types the same directories.
    #[test]
    fn partition_columns_have_the_narrowest_type_for_all_values() {
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (values, expected) in [
            (&["1", "+2", NULL][..], DataType::Int32),
            (&["1", "3000000000"], DataType::Int64),
            (&["1", "1.5"], DataType::Float64),
            (&["3000000000", "1.5"], DataType::Utf8),
            (&["123456789012345678901", "1"], DataType::Decimal128(21, 0)),
            (&["1e3"], DataType::Decimal128(4, 0)),
            (&["1d"], DataType::Float64),
            (&["2024-01-02"], DataType::Date32),
            (&["2024-1-2"], DataType::Utf8),
            (&["2024-01-02 03:04:05"], timestamp.clone()),
            (&["2024-01-02", "2024-01-02 01:00:00"], timestamp),
            (&["true"], DataType::Utf8),
            (&["1", "x"], DataType::Utf8),
            (&[NULL], DataType::Null),
        ] {
            assert_eq!(data_type(values), expected, "{values:?}");
        }
    }
}
