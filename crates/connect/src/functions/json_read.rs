//! JSON as columns: Spark's `JacksonParser`. A value that does not fit its field is null.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    ListArray, MapArray, StringArray, StructArray, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result};
use serde_json::Value;

use super::calendar::Zone;
use super::cast::{parse_date, parse_decimal, parse_timestamp};
use super::coercion::{array_of, common_type, element, map_entry, map_of};

/// What reading depends on beside the type.
pub(super) struct Options {
    pub(super) zone: Zone,
}

/// The type with all of its parts nullable, as whatever is read may be missing.
pub(super) fn nullable(data_type: &DataType) -> DataType {
    if let Some(inner) = element(data_type) {
        return array_of(nullable(inner.data_type()), true);
    }
    if let Some((key, value)) = map_entry(data_type) {
        return map_of(key.data_type().clone(), nullable(value.data_type()), true);
    }
    match data_type {
        DataType::Struct(fields) => {
            let relaxed = |field: &Arc<Field>| {
                field
                    .as_ref()
                    .clone()
                    .with_data_type(nullable(field.data_type()))
                    .with_nullable(true)
            };
            DataType::Struct(fields.iter().map(relaxed).collect())
        }
        other => other.clone(),
    }
}

/// A column of a value for each row.
pub(super) fn column(
    values: &[Option<&Value>],
    to: &DataType,
    options: &Options,
) -> Result<ArrayRef> {
    if let Some(inner) = element(to) {
        return list(values, inner, options);
    }
    if map_entry(to).is_some() {
        return map(values, to, options);
    }
    let each = values
        .iter()
        .map(|value| value.filter(|value| !value.is_null()));
    Ok(match to {
        DataType::Struct(fields) => {
            let objects: Vec<_> = each.map(|value| value.and_then(Value::as_object)).collect();
            let mut columns = Vec::with_capacity(fields.len());
            for field in fields {
                let values: Vec<_> = objects
                    .iter()
                    .map(|object| object.and_then(|object| object.get(field.name())))
                    .collect();
                columns.push(column(&values, field.data_type(), options)?);
            }
            let valid: NullBuffer = objects
                .iter()
                .map(Option::is_some)
                .collect::<Vec<_>>()
                .into();
            Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                Some(valid),
                values.len(),
            )?)
        }
        DataType::Boolean => Arc::new(each.map(|value| value?.as_bool()).collect::<BooleanArray>()),
        to if to.is_integer() => {
            let longs: Int64Array = each
                .map(|value| value?.as_i64().filter(|long| fits(*long, to)))
                .collect();
            cast(&longs, to)?
        }
        to if to.is_floating() => {
            let doubles: Float64Array = each
                .map(|value| match value? {
                    Value::String(text) => match text.as_str() {
                        "NaN" => Some(f64::NAN),
                        "Infinity" | "+Infinity" | "+INF" | "INF" => Some(f64::INFINITY),
                        "-Infinity" | "-INF" => Some(f64::NEG_INFINITY),
                        _ => None,
                    },
                    value => value.as_f64(),
                })
                .collect();
            cast(&doubles, to)?
        }
        DataType::Decimal128(precision, scale) => {
            let decimal = |value: &Value| match value {
                Value::Number(number) => {
                    parse_decimal(&number.to_string(), *precision, *scale).flatten()
                }
                Value::String(text) => parse_decimal(text, *precision, *scale).flatten(),
                _ => None,
            };
            let decimals: Decimal128Array = each.map(|value| decimal(value?)).collect();
            Arc::new(decimals.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Date32 => Arc::new(
            each.map(|value| parse_date(value?.as_str()?))
                .collect::<Date32Array>(),
        ),
        DataType::Timestamp(_, zone) => {
            let read = zone.is_some().then_some(options.zone);
            let instants: TimestampMicrosecondArray = each
                .map(|value| parse_timestamp(value?.as_str()?, read))
                .collect();
            Arc::new(instants.with_timezone_opt(zone.clone()))
        }
        DataType::Utf8 => {
            let text = |value: &Value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Arc::new(each.map(|value| value.map(text)).collect::<StringArray>())
        }
        DataType::Binary => {
            let bytes = |value: &Value| value.as_str().map(super::encoding::from_base64);
            Arc::new(
                each.map(|value| value.and_then(bytes))
                    .collect::<BinaryArray>(),
            )
        }
        DataType::Null => new_null_array(to, values.len()),
        other => {
            return Err(DataFusionError::NotImplemented(format!(
                "{other} out of JSON"
            )));
        }
    })
}

fn fits(long: i64, to: &DataType) -> bool {
    match to {
        DataType::Int8 => i8::try_from(long).is_ok(),
        DataType::Int16 => i16::try_from(long).is_ok(),
        DataType::Int32 => i32::try_from(long).is_ok(),
        _ => true,
    }
}

fn list(values: &[Option<&Value>], inner: &Arc<Field>, options: &Options) -> Result<ArrayRef> {
    let arrays: Vec<_> = values
        .iter()
        .map(|value| value.and_then(Value::as_array))
        .collect();
    let elements: Vec<_> = arrays
        .iter()
        .flatten()
        .flat_map(|array| array.iter().map(Some))
        .collect();
    let elements = column(&elements, inner.data_type(), options)?;
    let offsets = OffsetBuffer::from_lengths(arrays.iter().map(|array| array.map_or(0, Vec::len)));
    let valid: NullBuffer = arrays
        .iter()
        .map(Option::is_some)
        .collect::<Vec<_>>()
        .into();
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(inner),
        offsets,
        elements,
        Some(valid),
    )?))
}

fn map(values: &[Option<&Value>], to: &DataType, options: &Options) -> Result<ArrayRef> {
    let (DataType::Map(entries, sorted), Some((key, value))) = (to, map_entry(to)) else {
        return Err(DataFusionError::Internal(format!("{to} is no map")));
    };
    let objects: Vec<_> = values
        .iter()
        .map(|value| value.and_then(Value::as_object))
        .collect();
    let keys: StringArray = objects
        .iter()
        .flatten()
        .flat_map(|object| object.keys().map(Some))
        .collect();
    let members: Vec<_> = objects
        .iter()
        .flatten()
        .flat_map(|object| object.values().map(Some))
        .collect();
    let members = column(&members, value.data_type(), options)?;
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(DataFusionError::Internal(
            "a map without entries".to_owned(),
        ));
    };
    let pairs = StructArray::try_new(
        fields.clone(),
        vec![cast(&keys, key.data_type())?, members],
        None,
    )?;
    let offsets = OffsetBuffer::from_lengths(
        objects
            .iter()
            .map(|object| object.map_or(0, serde_json::Map::len)),
    );
    let valid: NullBuffer = objects
        .iter()
        .map(Option::is_some)
        .collect::<Vec<_>>()
        .into();
    Ok(Arc::new(MapArray::try_new(
        Arc::clone(entries),
        offsets,
        pairs,
        Some(valid),
        *sorted,
    )?))
}

/// `JsonInferSchema`: the narrowest type that a value fits.
pub(super) fn inferred(value: &Value) -> DataType {
    match value {
        Value::Null => DataType::Utf8,
        Value::Bool(_) => DataType::Boolean,
        Value::Number(number) if number.is_i64() => DataType::Int64,
        Value::Number(number) if number.is_u64() => DataType::Decimal128(20, 0),
        Value::Number(_) => DataType::Float64,
        Value::String(_) => DataType::Utf8,
        Value::Array(values) => {
            let element = values
                .iter()
                .filter(|value| !value.is_null())
                .map(inferred)
                .reduce(merged);
            array_of(element.unwrap_or(DataType::Utf8), true)
        }
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            let fields = sorted
                .into_iter()
                .map(|(name, value)| Field::new(name, inferred(value), true));
            DataType::Struct(fields.collect())
        }
    }
}

fn merged(one: DataType, other: DataType) -> DataType {
    match (&one, &other) {
        (DataType::Struct(a), DataType::Struct(b)) => {
            let mut fields: BTreeMap<String, DataType> = BTreeMap::new();
            for field in a.iter().chain(b.iter()) {
                let known = fields.remove(field.name());
                let data_type = match known {
                    Some(known) => merged(known, field.data_type().clone()),
                    None => field.data_type().clone(),
                };
                fields.insert(field.name().clone(), data_type);
            }
            DataType::Struct(
                fields
                    .into_iter()
                    .map(|(name, data_type)| Field::new(name, data_type, true))
                    .collect(),
            )
        }
        (one, other) if one == other => one.clone(),
        (one, other) if one.is_numeric() && other.is_numeric() => {
            common_type(one, other).unwrap_or(DataType::Utf8)
        }
        _ => DataType::Utf8,
    }
}
