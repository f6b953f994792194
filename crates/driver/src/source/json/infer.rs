use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::Result;

use super::JsonOptions;
use super::parse::{Json, parse};
use crate::source::compression;
use crate::source::decode::{Malformed, Mode};
use crate::source::files::DataFile;
use crate::source::records::Records;
use crate::values::Decimal;

/// The type of a value as far as it has been seen: Spark's `JsonInferSchema`.
#[derive(Debug, Clone, PartialEq)]
enum Inferred {
    Nothing,
    Boolean,
    Long,
    Decimal(u8, i8),
    Double,
    Timestamp,
    String,
    Array(Box<Inferred>),
    Struct(BTreeMap<String, Inferred>),
}

/// What the columns of JSON files are, in order of their names. Files are read as streams.
///
/// # Errors
/// If a file cannot be read, or a record has more bytes than `longest`, or a record is malformed and that is refused.
pub(crate) fn infer(
    files: &[DataFile],
    options: &JsonOptions,
    time_zone: &str,
    longest: usize,
) -> Result<Schema> {
    let mut columns = BTreeMap::new();
    let mut any_malformed = false;
    for file in files {
        let mut records =
            Records::new(compression::open(&file.path)?, options.split()).bounded(longest);
        while let Some(record) = records.next()? {
            if !learn(record, options, &mut columns) {
                any_malformed = true;
                if options.mode.malformed == Malformed::Refused {
                    return Err(Mode::error(record));
                }
            }
        }
    }
    if any_malformed && options.mode.malformed == Malformed::Permitted {
        columns.insert(options.mode.column.clone(), Inferred::String);
    }
    Ok(Schema::new(fields_of(columns, options, time_zone)))
}

/// Learns from a record, and says whether it is one.
fn learn(record: &[u8], options: &JsonOptions, columns: &mut BTreeMap<String, Inferred>) -> bool {
    if record.iter().all(u8::is_ascii_whitespace) {
        return true;
    }
    let text = String::from_utf8_lossy(record);
    let inferred = match parse(&text, options.leniency) {
        Some(Json::Null) => return true,
        Some(value) => infer_value(&value, options),
        None => return false,
    };
    let fields = match inferred {
        Inferred::Struct(fields) => fields,
        Inferred::Array(item) => match *item {
            Inferred::Struct(fields) => fields,
            Inferred::Nothing => return true,
            _ => return false,
        },
        _ => return false,
    };
    merge(columns, fields);
    true
}

fn infer_value(value: &Json, options: &JsonOptions) -> Inferred {
    match value {
        Json::Null => Inferred::Nothing,
        Json::String(text) if text.is_empty() => Inferred::Nothing,
        Json::Boolean(_) | Json::Number(_) if options.primitives_as_string => Inferred::String,
        Json::Boolean(_) => Inferred::Boolean,
        Json::Number(text) => infer_number(text, options.prefers_decimal),
        Json::String(text) => infer_string(text, options),
        Json::Array(items, _) => {
            let items = items.iter().map(|item| infer_value(item, options));
            Inferred::Array(Box::new(items.fold(Inferred::Nothing, widened)))
        }
        Json::Object(fields, _) => {
            let mut columns = BTreeMap::new();
            for (name, value) in fields {
                let field = BTreeMap::from([(name.to_string(), infer_value(value, options))]);
                merge(&mut columns, field);
            }
            Inferred::Struct(columns)
        }
    }
}

fn infer_number(text: &str, prefers_decimal: bool) -> Inferred {
    if text.parse::<i64>().is_ok() {
        return Inferred::Long;
    }
    let whole = !text.contains(['.', 'e', 'E']);
    match Decimal::parse(text).and_then(|number| number.size()) {
        Some((precision @ ..=38, scale)) if whole || prefers_decimal => {
            Inferred::Decimal(precision, scale)
        }
        _ => Inferred::Double,
    }
}

fn infer_string(text: &str, options: &JsonOptions) -> Inferred {
    if options.prefers_decimal
        && let Some((precision @ ..=38, scale)) = Decimal::parse(text).and_then(|d| d.size())
    {
        return Inferred::Decimal(precision, scale);
    }
    match options.infer_timestamp && options.formats.parse_timestamp(text).is_some() {
        true => Inferred::Timestamp,
        false => Inferred::String,
    }
}

fn merge(columns: &mut BTreeMap<String, Inferred>, others: BTreeMap<String, Inferred>) {
    for (name, other) in others {
        let seen = columns.remove(&name).unwrap_or(Inferred::Nothing);
        columns.insert(name, widened(seen, other));
    }
}

/// The type that holds the values of both; a string holds all.
fn widened(one: Inferred, other: Inferred) -> Inferred {
    use Inferred::{Array, Decimal, Double, Long, Nothing, Struct};

    match (one, other) {
        (one, other) if one == other => one,
        (Nothing, other) | (other, Nothing) => other,
        (Long | Decimal(..), Double) | (Double, Long | Decimal(..)) => Double,
        (Long, Decimal(precision, scale)) | (Decimal(precision, scale), Long) => {
            widened_decimal((precision, scale), (20, 0))
        }
        (Decimal(p1, s1), Decimal(p2, s2)) => widened_decimal((p1, s1), (p2, s2)),
        (Array(one), Array(other)) => Array(Box::new(widened(*one, *other))),
        (Struct(mut one), Struct(other)) => {
            merge(&mut one, other);
            Struct(one)
        }
        _ => Inferred::String,
    }
}

fn widened_decimal((p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> Inferred {
    let scale = s1.max(s2);
    let whole = (p1 as i8 - s1).max(p2 as i8 - s2);
    match u8::try_from(whole + scale) {
        Ok(precision) if precision <= 38 => Inferred::Decimal(precision, scale),
        _ => Inferred::Double,
    }
}

fn fields_of(
    columns: BTreeMap<String, Inferred>,
    options: &JsonOptions,
    time_zone: &str,
) -> Vec<Field> {
    columns
        .into_iter()
        .filter_map(|(name, inferred)| {
            Some(Field::new(
                name,
                type_of(inferred, options, time_zone)?,
                true,
            ))
        })
        .collect()
}

/// The type that was inferred; none for a struct without fields, which Spark leaves out.
fn type_of(inferred: Inferred, options: &JsonOptions, time_zone: &str) -> Option<DataType> {
    Some(match inferred {
        Inferred::Nothing if options.drop_field_if_all_null => return None,
        Inferred::Nothing | Inferred::String => DataType::Utf8,
        Inferred::Boolean => DataType::Boolean,
        Inferred::Long => DataType::Int64,
        Inferred::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
        Inferred::Double => DataType::Float64,
        Inferred::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(time_zone.into())),
        Inferred::Array(item) => {
            let item = type_of(*item, options, time_zone)?;
            DataType::List(Arc::new(Field::new("element", item, true)))
        }
        Inferred::Struct(fields) => match fields_of(fields, options, time_zone) {
            fields if fields.is_empty() => return None,
            fields => DataType::Struct(fields.into()),
        },
    })
}
