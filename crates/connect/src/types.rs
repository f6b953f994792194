//! Spark's types: from and to the client's messages, and by name.
//!
//! Inside the engine a type is an Arrow type; `plimsoll_driver::spark_type` says which Spark type it
//! counts as. What Arrow cannot tell apart is lost on the way in: `varchar(n)`, `char(n)` and
//! collated strings become `string`, intervals their widest range, `time(n)` becomes `time(6)`, and
//! a user-defined type its SQL type.

mod from_proto;
mod name;
mod to_proto;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
pub(crate) use from_proto::{decimal_type, schema_to_arrow, to_arrow};
pub(crate) use name::{constraints, quote_if_needed, simple_string, sql_string, type_name};
use plimsoll_driver::spark_field;
use spark_connect_proto as proto;
pub(crate) use to_proto::schema_to_proto;

/// Where an Arrow field keeps the JSON of a Spark field's metadata.
pub(crate) const METADATA: &str = "spark.metadata";

/// The time zone of timestamps whose own does not matter, until [`in_time_zone`] says another.
pub(crate) const UTC: &str = "UTC";

/// The type with every timestamp in it, however deep, of the given time zone.
pub(crate) fn in_time_zone(data_type: &DataType, time_zone: &str) -> DataType {
    let inner = |field: &FieldRef| -> FieldRef {
        let data_type = in_time_zone(field.data_type(), time_zone);
        Field::clone(field).with_data_type(data_type).into()
    };
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some(time_zone.into())),
        DataType::List(item) => DataType::List(inner(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        other => other.clone(),
    }
}

/// The schema as Spark would have it: what scans and functions give counts as Spark's types.
pub(crate) fn engine_schema(schema: &Schema) -> Schema {
    Schema::new(
        schema
            .fields()
            .iter()
            .map(|field| spark_field(field))
            .collect::<Vec<_>>(),
    )
}

/// A list, as Spark's ArrowUtils shapes it.
pub(crate) fn list_of(element: DataType, contains_null: bool) -> DataType {
    DataType::List(Field::new("element", element, contains_null).into())
}

/// A map, as Spark's ArrowUtils shapes it.
pub(crate) fn map_of(key: DataType, value: DataType, value_contains_null: bool) -> DataType {
    let pair = vec![
        Field::new("key", key, false),
        Field::new("value", value, value_contains_null),
    ];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    DataType::Map(entries.into(), false)
}

/// The key and value fields of a map's entries.
pub(crate) fn key_and_value(entries: &Field) -> Option<(&FieldRef, &FieldRef)> {
    match entries.data_type() {
        DataType::Struct(pair) => match &pair[..] {
            [key, value] => Some((key, value)),
            _ => None,
        },
        _ => None,
    }
}

/// A message that names `kind`.
pub(crate) fn message(kind: proto::data_type::Kind) -> proto::DataType {
    proto::DataType { kind: Some(kind) }
}

#[cfg(test)]
mod tests;
