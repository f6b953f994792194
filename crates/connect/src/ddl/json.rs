use serde_json::Value;
use spark_connect_proto::{self as proto, data_type as message};

use super::{kinds, parser};
use crate::error::Error;
use crate::types::message as named;

/// A type as Spark's JSON has it. serde_json bounds the depth.
pub(super) fn data_type(text: &str) -> Result<proto::DataType, Error> {
    let value = serde_json::from_str(text).map_err(|_| invalid(text))?;
    parse(&value)
}

fn parse(value: &Value) -> Result<proto::DataType, Error> {
    match value {
        Value::String(name) => simple(name),
        Value::Object(_) => match value.get("type").and_then(Value::as_str) {
            Some("struct") => structure(value),
            Some("array") => Ok(named(kinds::array(
                inner(value, "elementType")?,
                flag(value, "containsNull")?,
            ))),
            Some("map") => Ok(named(kinds::map(
                inner(value, "keyType")?,
                inner(value, "valueType")?,
                flag(value, "valueContainsNull")?,
            ))),
            Some("udt") => inner(value, "sqlType"),
            _ => Err(invalid(value)),
        },
        _ => Err(invalid(value)),
    }
}

/// The names are those of `typeName`: `long`, and not `bigint`.
fn simple(name: &str) -> Result<proto::DataType, Error> {
    let only_ddl = [
        "int",
        "smallint",
        "bigint",
        "tinyint",
        "real",
        "dec",
        "numeric",
        "character",
    ];
    let word = name.split(['(', '<']).next().unwrap_or_default();
    if name == "null" {
        return parser::data_type("void");
    }
    if only_ddl.contains(&word) || name != name.to_lowercase() && !name.contains("collate") {
        return Err(invalid(name));
    }
    parser::data_type(name).map_err(|_| invalid(name))
}

fn structure(value: &Value) -> Result<proto::DataType, Error> {
    let fields = value.get("fields").and_then(Value::as_array);
    let fields = fields.ok_or_else(|| invalid(value))?;
    let fields: Result<Vec<_>, Error> = fields.iter().map(field).collect();
    Ok(named(kinds::structure(fields?)))
}

fn field(value: &Value) -> Result<message::StructField, Error> {
    let name = value.get("name").and_then(Value::as_str);
    let metadata = value.get("metadata").filter(|metadata| match metadata {
        Value::Object(entries) => !entries.is_empty(),
        _ => false,
    });
    Ok(message::StructField {
        name: name.ok_or_else(|| invalid(value))?.to_owned(),
        data_type: Some(inner(value, "type")?),
        nullable: value
            .get("nullable")
            .and_then(Value::as_bool)
            .unwrap_or(true),
        metadata: metadata.map(Value::to_string),
    })
}

fn inner(value: &Value, key: &str) -> Result<proto::DataType, Error> {
    parse(value.get(key).ok_or_else(|| invalid(value))?)
}

fn flag(value: &Value, key: &str) -> Result<bool, Error> {
    let flag = value.get(key).and_then(Value::as_bool);
    flag.ok_or_else(|| invalid(value))
}

fn invalid(what: impl ToString) -> Error {
    Error::new(
        crate::error::Kind::IllegalArgument,
        "INVALID_JSON_DATA_TYPE",
        &[("invalidType", &what.to_string())],
    )
}
