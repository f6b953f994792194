//! Literals: values that stand in the client's plan.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ListArray, MapArray, StructArray, new_empty_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, IntervalMonthDayNano};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use spark_connect_proto as proto;
use spark_connect_proto::expression::literal::{LiteralType, specialized_array::ValueType};

use crate::error::Error;
use crate::functions::Argument;
use crate::text;
use crate::types;

/// The argument that a literal is.
pub(super) fn literal(
    literal: &proto::expression::Literal,
    time_zone: &str,
) -> Result<Argument, Error> {
    let value = scalar(literal, time_zone)?;
    let data_type = value.data_type();
    Ok(Argument {
        nullable: value.is_null(),
        name: shown(&value, time_zone)?,
        expr: Expr::Literal(value, None),
        data_type,
    })
}

/// What `*` is in `count(*)`.
pub(super) fn one() -> Argument {
    Argument {
        expr: lit(1_i32),
        data_type: DataType::Int32,
        nullable: false,
        name: "1".to_owned(),
    }
}

/// How Spark shows a literal in the name of a column.
fn shown(value: &ScalarValue, time_zone: &str) -> Result<String, Error> {
    let text = text::cell(&value.to_array()?, 0, time_zone)?;
    Ok(match value.data_type() {
        _ if value.is_null() => "NULL".to_owned(),
        DataType::Date32 => format!("DATE '{text}'"),
        DataType::Timestamp(_, Some(_)) => format!("TIMESTAMP '{text}'"),
        DataType::Timestamp(_, None) => format!("TIMESTAMP_NTZ '{text}'"),
        DataType::Binary => format!("X'{}'", text.trim_matches(['[', ']']).replace(' ', "")),
        _ => text,
    })
}

/// The value of a literal.
///
/// # Errors
/// If it is malformed, or of a type that is not there.
pub(crate) fn scalar(
    literal: &proto::expression::Literal,
    time_zone: &str,
) -> Result<ScalarValue, Error> {
    let kind = literal
        .literal_type
        .as_ref()
        .ok_or_else(|| Error::internal("a literal without a value"))?;
    Ok(match kind {
        LiteralType::Null(data_type) => ScalarValue::try_from(&types::to_arrow(data_type)?)?,
        LiteralType::Binary(bytes) => ScalarValue::Binary(Some(bytes.to_vec())),
        LiteralType::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        LiteralType::Byte(value) => ScalarValue::Int8(Some(narrow(*value)?)),
        LiteralType::Short(value) => ScalarValue::Int16(Some(narrow(*value)?)),
        LiteralType::Integer(value) => ScalarValue::Int32(Some(*value)),
        LiteralType::Long(value) => ScalarValue::Int64(Some(*value)),
        LiteralType::Float(value) => ScalarValue::Float32(Some(*value)),
        LiteralType::Double(value) => ScalarValue::Float64(Some(*value)),
        LiteralType::Decimal(decimal) => decimal_value(decimal)?,
        LiteralType::String(value) => ScalarValue::Utf8(Some(value.clone())),
        LiteralType::Date(days) => ScalarValue::Date32(Some(*days)),
        LiteralType::Timestamp(micros) => {
            ScalarValue::TimestampMicrosecond(Some(*micros), Some(time_zone.into()))
        }
        LiteralType::TimestampNtz(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), None),
        LiteralType::CalendarInterval(interval) => {
            let nanos = interval.microseconds.checked_mul(1000);
            let nanos =
                nanos.ok_or_else(|| Error::internal("an interval beyond the range of 64 bits"))?;
            let value = IntervalMonthDayNano::new(interval.months, interval.days, nanos);
            ScalarValue::IntervalMonthDayNano(Some(value))
        }
        LiteralType::YearMonthInterval(months) => ScalarValue::IntervalYearMonth(Some(*months)),
        LiteralType::DayTimeInterval(micros) => ScalarValue::DurationMicrosecond(Some(*micros)),
        LiteralType::Time(time) => ScalarValue::Time64Nanosecond(Some(time.nano)),
        LiteralType::Array(array) => {
            let element = element_type(literal, array)?;
            list(elements(&array.elements, element.as_ref(), time_zone)?)
        }
        LiteralType::SpecializedArray(array) => specialized(array)?,
        LiteralType::Map(map) => map_value(literal, map, time_zone)?,
        LiteralType::Struct(value) => struct_value(literal, value, time_zone)?,
        LiteralType::TimestampNtzNanos(_) | LiteralType::TimestampLtzNanos(_) => {
            return Err(Error::unsupported("timestamps of nanoseconds"));
        }
    })
}

fn narrow<T: TryFrom<i32>>(value: i32) -> Result<T, Error> {
    T::try_from(value)
        .map_err(|_| Error::internal(format!("a literal out of its type's range: {value}")))
}

fn decimal_value(decimal: &proto::expression::literal::Decimal) -> Result<ScalarValue, Error> {
    let text = decimal.value.trim();
    let digits = text.trim_start_matches(['-', '+']);
    let fraction = digits
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    let whole = digits
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_start_matches('0')
        .len();
    // The client may say less than the value needs, as it does for Python's Decimal.
    let scale = decimal.scale.unwrap_or_default().max(fraction as i32);
    let precision = decimal
        .precision
        .unwrap_or_default()
        .max((whole + fraction).max(1) as i32);
    let data_type = types::decimal_type(precision.max(scale), scale)?;
    Ok(ScalarValue::try_from_string(text.to_owned(), &data_type)?)
}

fn element_type(
    literal: &proto::expression::Literal,
    array: &proto::expression::literal::Array,
) -> Result<Option<DataType>, Error> {
    if let Some(data_type) = &literal.data_type
        && let DataType::List(item) = types::to_arrow(data_type)?
    {
        return Ok(Some(item.data_type().clone()));
    }
    #[allow(deprecated)] // 4.0 clients say it here.
    array.element_type.as_ref().map(types::to_arrow).transpose()
}

fn elements(
    literals: &[proto::expression::Literal],
    element: Option<&DataType>,
    time_zone: &str,
) -> Result<ArrayRef, Error> {
    let mut values = Vec::with_capacity(literals.len());
    for literal in literals {
        let value = scalar(literal, time_zone)?;
        values.push(match element {
            Some(element) => value.cast_to(element)?,
            None => value,
        });
    }
    match (values.is_empty(), element) {
        (true, element) => Ok(new_empty_array(element.unwrap_or(&DataType::Null))),
        (false, _) => Ok(ScalarValue::iter_to_array(values)?),
    }
}

fn list(values: ArrayRef) -> ScalarValue {
    let field = Field::new(
        "element",
        values.data_type().clone(),
        values.null_count() > 0,
    );
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    ScalarValue::List(Arc::new(ListArray::new(
        Arc::new(field),
        offsets,
        values,
        None,
    )))
}

fn specialized(array: &proto::expression::literal::SpecializedArray) -> Result<ScalarValue, Error> {
    use datafusion::arrow::array::{
        BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
    };
    let values: ArrayRef = match &array.value_type {
        Some(ValueType::Bools(values)) => Arc::new(BooleanArray::from(values.values.clone())),
        Some(ValueType::Ints(values)) => Arc::new(Int32Array::from(values.values.clone())),
        Some(ValueType::Longs(values)) => Arc::new(Int64Array::from(values.values.clone())),
        Some(ValueType::Floats(values)) => Arc::new(Float32Array::from(values.values.clone())),
        Some(ValueType::Doubles(values)) => Arc::new(Float64Array::from(values.values.clone())),
        Some(ValueType::Strings(values)) => Arc::new(StringArray::from_iter_values(&values.values)),
        None => return Err(Error::internal("an array literal without values")),
    };
    Ok(list(values))
}

#[allow(deprecated)] // 4.0 clients give the types inside the map.
fn map_value(
    literal: &proto::expression::Literal,
    map: &proto::expression::literal::Map,
    time_zone: &str,
) -> Result<ScalarValue, Error> {
    let said = literal
        .data_type
        .as_ref()
        .map(types::to_arrow)
        .transpose()?;
    let (key, value) = match &said {
        Some(DataType::Map(entries, _)) => match types::key_and_value(entries) {
            Some((key, value)) => (
                Some(key.data_type().clone()),
                Some(value.data_type().clone()),
            ),
            None => (None, None),
        },
        _ => (
            map.key_type.as_ref().map(types::to_arrow).transpose()?,
            map.value_type.as_ref().map(types::to_arrow).transpose()?,
        ),
    };
    let keys = elements(&map.keys, key.as_ref(), time_zone)?;
    let values = elements(&map.values, value.as_ref(), time_zone)?;
    if keys.len() != values.len() {
        return Err(Error::internal("a map literal with more keys than values"));
    }
    let fields = Fields::from(vec![
        Field::new("key", keys.data_type().clone(), false),
        Field::new("value", values.data_type().clone(), true),
    ]);
    let offsets = OffsetBuffer::from_lengths([keys.len()]);
    let entries = StructArray::try_new(fields, vec![keys, values], None)?;
    let field = Field::new("entries", entries.data_type().clone(), false);
    Ok(ScalarValue::Map(Arc::new(MapArray::try_new(
        Arc::new(field),
        offsets,
        entries,
        None,
        false,
    )?)))
}

#[allow(deprecated)] // 4.0 clients give the type inside the struct.
fn struct_value(
    literal: &proto::expression::Literal,
    value: &proto::expression::literal::Struct,
    time_zone: &str,
) -> Result<ScalarValue, Error> {
    let said = literal.data_type.as_ref().or(value.struct_type.as_ref());
    let Some(DataType::Struct(fields)) = said.map(types::to_arrow).transpose()? else {
        return Err(Error::internal("a struct literal without a type"));
    };
    if fields.len() != value.elements.len() {
        return Err(Error::internal(
            "a struct literal with another number of fields than its type",
        ));
    }
    let mut columns = Vec::new();
    for (field, element) in fields.iter().zip(&value.elements) {
        columns.push(
            scalar(element, time_zone)?
                .cast_to(field.data_type())?
                .to_array()?,
        );
    }
    let array = StructArray::try_new(fields, columns, None)?;
    Ok(ScalarValue::Struct(Arc::new(array)))
}
