use std::collections::HashMap;

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use spark_connect_proto::{self as proto, data_type::Kind};

use super::{METADATA, UTC, list_of, map_of};
use crate::ddl;
use crate::error::{Error, Kind as ErrorKind};

/// The engine's type for a type that a client names. Timestamps are in UTC; see `in_time_zone`.
pub(crate) fn to_arrow(data_type: &proto::DataType) -> Result<DataType, Error> {
    let kind = data_type
        .kind
        .as_ref()
        .ok_or_else(|| Error::internal("a data type without a kind"))?;
    Ok(match kind {
        Kind::Null(_) => DataType::Null,
        Kind::Binary(_) => DataType::Binary,
        Kind::Boolean(_) => DataType::Boolean,
        Kind::Byte(_) => DataType::Int8,
        Kind::Short(_) => DataType::Int16,
        Kind::Integer(_) => DataType::Int32,
        Kind::Long(_) => DataType::Int64,
        Kind::Float(_) => DataType::Float32,
        Kind::Double(_) => DataType::Float64,
        Kind::Decimal(decimal) => {
            decimal_type(decimal.precision.unwrap_or(10), decimal.scale.unwrap_or(0))?
        }
        Kind::String(_) | Kind::Char(_) | Kind::VarChar(_) => DataType::Utf8,
        Kind::Date(_) => DataType::Date32,
        Kind::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        Kind::TimestampNtz(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        Kind::CalendarInterval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        Kind::YearMonthInterval(_) => DataType::Interval(IntervalUnit::YearMonth),
        Kind::DayTimeInterval(_) => DataType::Duration(TimeUnit::Microsecond),
        Kind::Time(_) => DataType::Time64(TimeUnit::Nanosecond),
        Kind::Array(array) => list_of(inner(array.element_type.as_deref())?, array.contains_null),
        Kind::Struct(fields) => DataType::Struct(struct_fields(fields)?.into()),
        Kind::Map(map) => map_of(
            inner(map.key_type.as_deref())?,
            inner(map.value_type.as_deref())?,
            map.value_contains_null,
        ),
        Kind::Udt(udt) => inner(udt.sql_type.as_deref())?,
        Kind::Unparsed(text) => ddl::parse_type(&text.data_type_string)?,
        Kind::Variant(_) => return Err(Error::unsupported("the type variant")),
        Kind::Geometry(_) => return Err(Error::unsupported("the type geometry")),
        Kind::Geography(_) => return Err(Error::unsupported("the type geography")),
        Kind::TimestampNtzNanos(_) | Kind::TimestampLtzNanos(_) => {
            return Err(Error::unsupported("timestamps finer than microseconds"));
        }
    })
}

/// The schema that a struct type describes. A type that is no struct becomes the only field, `value`,
/// as SparkConnectPlanner has it for local relations.
pub(crate) fn schema_to_arrow(data_type: &proto::DataType) -> Result<Schema, Error> {
    match &data_type.kind {
        Some(Kind::Struct(fields)) => Ok(Schema::new(struct_fields(fields)?)),
        Some(Kind::Unparsed(text)) => ddl::parse_schema_text(&text.data_type_string),
        _ => Ok(Schema::new(vec![Field::new(
            "value",
            to_arrow(data_type)?,
            true,
        )])),
    }
}

/// A decimal within Spark's bounds.
pub(crate) fn decimal_type(precision: i32, scale: i32) -> Result<DataType, Error> {
    if precision > 38 {
        return Err(Error::new(
            ErrorKind::Arithmetic,
            "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
            &[
                ("precision", &precision.to_string()),
                ("maxPrecision", "38"),
            ],
        ));
    }
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(digits @ 1..), Ok(decimals @ 0..)) if scale <= precision => {
            Ok(DataType::Decimal128(digits, decimals))
        }
        _ => Err(Error::analysis(
            "_LEGACY_ERROR_TEMP_1228",
            &[
                ("scale", &scale.to_string()),
                ("precision", &precision.to_string()),
            ],
        )),
    }
}

fn inner(data_type: Option<&proto::DataType>) -> Result<DataType, Error> {
    let data_type = data_type.ok_or_else(|| Error::internal("a data type lacks its inner type"))?;
    to_arrow(data_type)
}

fn struct_fields(message: &proto::data_type::Struct) -> Result<Vec<Field>, Error> {
    message.fields.iter().map(struct_field).collect()
}

fn struct_field(message: &proto::data_type::StructField) -> Result<Field, Error> {
    let data_type = inner(message.data_type.as_ref())?;
    let field = Field::new(&message.name, data_type, message.nullable);
    Ok(match message.metadata.as_deref() {
        None | Some("" | "{}") => field,
        Some(json) => field.with_metadata(HashMap::from([(METADATA.to_owned(), json.to_owned())])),
    })
}
