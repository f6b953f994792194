//! Spark's implicit casts: which type two types meet in, and which argument fits which parameter.
//!
//! Follows `AnsiTypeCoercion`: a string meets a number as that number, a narrower number is widened, and
//! what a function asks for decides about its argument.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;

use super::Argument;

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
    )
}

pub(super) fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary
    )
}

pub(super) fn is_decimal(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal128(..) | DataType::Decimal256(..)
    )
}

pub(super) fn is_numeric(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_floating() || is_decimal(data_type)
}

pub(super) fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

pub(super) fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

pub(super) fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

pub(super) fn is_nested(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(_) | DataType::Map(..)) || element(data_type).is_some()
}

/// The field of an array's elements.
pub(super) fn element(data_type: &DataType) -> Option<&Arc<Field>> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => Some(field),
        _ => None,
    }
}

/// The fields of a map's keys and values.
pub(super) fn map_entry(data_type: &DataType) -> Option<(&Arc<Field>, &Arc<Field>)> {
    let DataType::Map(entries, _) = data_type else {
        return None;
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return None;
    };
    Some((fields.first()?, fields.get(1)?))
}

/// An array's type.
pub(super) fn array_of(element: DataType, contains_null: bool) -> DataType {
    DataType::List(Arc::new(Field::new("element", element, contains_null)))
}

/// A map's type.
pub(super) fn map_of(key: DataType, value: DataType, value_contains_null: bool) -> DataType {
    let entries = DataType::Struct(
        vec![
            Field::new("key", key, false),
            Field::new("value", value, value_contains_null),
        ]
        .into(),
    );
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

/// A timestamp in the session's time zone.
pub(super) fn timestamp(time_zone: &str) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from(time_zone)))
}

pub(super) const TIMESTAMP_NTZ: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The type in the representation that kernels take: Arrow has several for a string, for instance.
pub(super) fn canonical(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Date64 => DataType::Date32,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Dictionary(_, value) => canonical(value),
        other => match element(other) {
            Some(field) => array_of(canonical(field.data_type()), field.is_nullable()),
            None => other.clone(),
        },
    }
}

/// Whether both are the same type to Spark, whatever Arrow's representations.
pub(super) fn same_type(left: &DataType, right: &DataType) -> bool {
    match (canonical(left), canonical(right)) {
        (DataType::Timestamp(_, left), DataType::Timestamp(_, right)) => {
            left.is_some() == right.is_some()
        }
        (DataType::Struct(left), DataType::Struct(right)) => {
            let same = |(left, right): (&Arc<Field>, &Arc<Field>)| {
                left.name() == right.name() && same_type(left.data_type(), right.data_type())
            };
            left.len() == right.len() && left.iter().zip(right.iter()).all(same)
        }
        (left, right) => match (
            element(&left),
            element(&right),
            map_entry(&left),
            map_entry(&right),
        ) {
            (Some(left), Some(right), ..) => same_type(left.data_type(), right.data_type()),
            (_, _, Some((key, value)), Some((other_key, other_value))) => {
                same_type(key.data_type(), other_key.data_type())
                    && same_type(value.data_type(), other_value.data_type())
            }
            _ => left == right,
        },
    }
}

/// Whether Spark casts an argument of type `from` for a parameter of type `to`.
pub(super) fn is_implicit(from: &DataType, to: &DataType) -> bool {
    if from.is_null() || same_type(from, to) {
        return true;
    }
    if is_text(to) {
        return !is_nested(from) && !is_interval(from);
    }
    if is_text(from) {
        return !is_nested(to);
    }
    let times = |data_type: &DataType| is_date(data_type) || is_timestamp(data_type);
    if let (DataType::Struct(from), DataType::Struct(to)) = (from, to) {
        let implicit =
            |(from, to): (&Arc<Field>, &Arc<Field>)| is_implicit(from.data_type(), to.data_type());
        return from.len() == to.len() && from.iter().zip(to.iter()).all(implicit);
    }
    if let (Some((key, value)), Some((to_key, to_value))) = (map_entry(from), map_entry(to)) {
        return is_implicit(key.data_type(), to_key.data_type())
            && is_implicit(value.data_type(), to_value.data_type());
    }
    match (element(from), element(to)) {
        (Some(from), Some(to)) => is_implicit(from.data_type(), to.data_type()),
        _ => (is_numeric(from) && is_numeric(to)) || (times(from) && times(to)),
    }
}

/// Whether a cast of a value can give null: `Cast.forceNullable`.
pub(super) fn cast_can_give_null(from: &DataType, to: &DataType) -> bool {
    if same_type(from, to) || is_nested(from) {
        return false;
    }
    if from.is_null() {
        return true;
    }
    if is_text(from) {
        return !is_text(to) && !is_binary(to);
    }
    match to {
        to if is_text(to) => false,
        DataType::Int8 | DataType::Int16 | DataType::Int32 if is_timestamp(from) => true,
        to if to.is_integer() => from.is_floating() || is_decimal(from),
        DataType::Decimal128(precision, scale) => !integer_decimal(from).is_some_and(|(p, s)| {
            *scale >= s && i16::from(*precision) - i16::from(*scale) >= i16::from(p) - i16::from(s)
        }),
        to if is_timestamp(to) => from.is_floating(),
        to if is_date(to) => !is_timestamp(from),
        _ => false,
    }
}

/// The decimal that holds every value of an integer type.
pub(super) fn integer_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match canonical(data_type) {
        DataType::Int8 => Some((3, 0)),
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((20, 0)),
        DataType::Decimal128(precision, scale) => Some((precision, scale)),
        _ => None,
    }
}

/// The decimal type for an argument of decimal arithmetic: literals are as narrow as their value.
pub(super) fn argument_decimal(argument: &Argument) -> Option<(u8, i8)> {
    if let Some(value) = super::arguments::literal(&argument.expr)
        && argument.data_type.is_integer()
        && let Ok(ScalarValue::Int64(Some(value))) = value.cast_to(&DataType::Int64)
    {
        let digits = value.unsigned_abs().to_string().len();
        return Some((digits as u8, 0));
    }
    integer_decimal(&argument.data_type)
}

/// A decimal that holds the values of both.
pub(super) fn wider_decimal(left: (u8, i8), right: (u8, i8)) -> DataType {
    let scale = i32::from(left.1.max(right.1));
    let range =
        (i32::from(left.0) - i32::from(left.1)).max(i32::from(right.0) - i32::from(right.1));
    let precision = (range + scale).min(38);
    let scale = scale.min(38 - range.min(38)).max(0);
    DataType::Decimal128(precision as u8, scale as i8)
}

/// The type that two values are cast to before they are compared or become alternatives.
pub(super) fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    let (left, right) = (canonical(left), canonical(right));
    if left.is_null() {
        return Some(right);
    }
    if right.is_null() || left == right {
        return Some(left);
    }
    if let Some(nested) = common_nested(&left, &right) {
        return Some(nested);
    }
    if is_text(&left) || is_text(&right) {
        let other = if is_text(&left) { right } else { left };
        return with_text(other);
    }
    if is_numeric(&left) && is_numeric(&right) {
        return Some(common_number(&left, &right));
    }
    match (&left, &right) {
        (DataType::Date32, DataType::Timestamp(..)) => Some(right),
        (DataType::Timestamp(..), DataType::Date32) => Some(left),
        (DataType::Timestamp(_, Some(_)), DataType::Timestamp(..)) => Some(left),
        (DataType::Timestamp(..), DataType::Timestamp(_, Some(_))) => Some(right),
        (DataType::Interval(_), DataType::Interval(_)) => {
            Some(DataType::Interval(IntervalUnit::MonthDayNano))
        }
        _ => None,
    }
}

fn with_text(other: DataType) -> Option<DataType> {
    match other {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            Some(DataType::Int64)
        }
        DataType::Float32 | DataType::Float64 | DataType::Decimal128(..) => Some(DataType::Float64),
        DataType::Boolean | DataType::Date32 | DataType::Timestamp(..) | DataType::Binary => {
            Some(other)
        }
        DataType::Interval(_) | DataType::Duration(_) => Some(other),
        _ => None,
    }
}

fn common_number(left: &DataType, right: &DataType) -> DataType {
    if let (Some(a), Some(b)) = (integer_decimal(left), integer_decimal(right)) {
        if is_decimal(left) || is_decimal(right) {
            return wider_decimal(a, b);
        }
        return if a.0 >= b.0 {
            left.clone()
        } else {
            right.clone()
        };
    }
    match (left, right) {
        (DataType::Float32, DataType::Float32) => DataType::Float32,
        // A float and a wider integer or a decimal lose digits in a float.
        _ => DataType::Float64,
    }
}

fn common_nested(left: &DataType, right: &DataType) -> Option<DataType> {
    if let (Some(a), Some(b)) = (element(left), element(right)) {
        let common = common_type(a.data_type(), b.data_type())?;
        return Some(array_of(common, a.is_nullable() || b.is_nullable()));
    }
    if let (Some((key, value)), Some((other_key, other_value))) =
        (map_entry(left), map_entry(right))
    {
        let key = common_type(key.data_type(), other_key.data_type())?;
        let common = common_type(value.data_type(), other_value.data_type())?;
        return Some(map_of(
            key,
            common,
            value.is_nullable() || other_value.is_nullable(),
        ));
    }
    let (DataType::Struct(a), DataType::Struct(b)) = (left, right) else {
        return None;
    };
    if a.len() != b.len() {
        return None;
    }
    let fields: Option<Vec<_>> = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| {
            let common = common_type(a.data_type(), b.data_type())?;
            Some(Field::new(
                a.name(),
                common,
                a.is_nullable() || b.is_nullable(),
            ))
        })
        .collect();
    Some(DataType::Struct(fields?.into()))
}

/// The common type of many; `None` if there is none.
pub(super) fn common_type_of<'a>(
    types: impl IntoIterator<Item = &'a DataType>,
) -> Option<DataType> {
    types
        .into_iter()
        .try_fold(DataType::Null, |common, data_type| {
            common_type(&common, data_type)
        })
}

/// The type's name in SQL, as error messages and casts show it.
pub(super) fn sql_name(data_type: &DataType) -> String {
    match canonical(data_type) {
        DataType::Null => "VOID".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(p, s) => format!("DECIMAL({p},{s})"),
        DataType::Utf8 => "STRING".to_owned(),
        DataType::Binary => "BINARY".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ".to_owned(),
        DataType::Interval(IntervalUnit::YearMonth) => "INTERVAL YEAR TO MONTH".to_owned(),
        DataType::Duration(_) => "INTERVAL DAY TO SECOND".to_owned(),
        DataType::Interval(_) => "INTERVAL".to_owned(),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|field| {
                    let not_null = if field.is_nullable() { "" } else { " NOT NULL" };
                    format!(
                        "{}: {}{not_null}",
                        field.name(),
                        sql_name(field.data_type())
                    )
                })
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        other => match (element(&other), map_entry(&other)) {
            (Some(element), _) => format!("ARRAY<{}>", sql_name(element.data_type())),
            (_, Some((key, value))) => {
                format!(
                    "MAP<{}, {}>",
                    sql_name(key.data_type()),
                    sql_name(value.data_type())
                )
            }
            _ => other.to_string().to_uppercase(),
        },
    }
}
