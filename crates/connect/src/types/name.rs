use datafusion::arrow::datatypes::{DataType, Field};
use plimsoll_driver::{spark_name, spark_type};

use super::{METADATA, key_and_value};

/// `bigint`, `struct<a:int>`: Spark's `simpleString`, never cut short.
pub(crate) fn simple_string(data_type: &DataType) -> String {
    spark_name(data_type)
}

/// `BIGINT`, `STRUCT<a: INT NOT NULL>`: Spark's `DataType.sql`, as messages and the names of casts
/// have it.
pub(crate) fn sql_string(data_type: &DataType) -> String {
    match spark_type(data_type) {
        DataType::List(item) => format!("ARRAY<{}>", sql_string(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| sql_field(field)).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => match key_and_value(&entries) {
            Some((key, value)) => format!(
                "MAP<{}, {}>",
                sql_string(key.data_type()),
                sql_string(value.data_type())
            ),
            None => "MAP".to_owned(),
        },
        simple => spark_name(&simple).to_uppercase(),
    }
}

/// `long`, `array`: Spark's `typeName`, as `printSchema` and the JSON of a schema have it.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match spark_type(data_type) {
        DataType::Int8 => "byte".to_owned(),
        DataType::Int16 => "short".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "long".to_owned(),
        DataType::List(_) => "array".to_owned(),
        DataType::Struct(_) => "struct".to_owned(),
        DataType::Map(..) => "map".to_owned(),
        simple => spark_name(&simple),
    }
}

fn sql_field(field: &Field) -> String {
    let name = quote_if_needed(field.name());
    let data_type = sql_string(field.data_type());
    format!("{name}: {data_type}{}", constraints(field))
}

/// ` NOT NULL COMMENT '…'`, as far as it applies.
pub(crate) fn constraints(field: &Field) -> String {
    let mut text = String::new();
    if !field.is_nullable() {
        text.push_str(" NOT NULL");
    }
    if let Some(comment) = comment(field) {
        let escaped = comment.replace('\'', "\\'");
        text.push_str(&format!(" COMMENT '{escaped}'"));
    }
    text
}

/// The comment in a field's metadata.
fn comment(field: &Field) -> Option<String> {
    let metadata: serde_json::Value = serde_json::from_str(field.metadata().get(METADATA)?).ok()?;
    Some(metadata.get("comment")?.as_str()?.to_owned())
}

/// A name as SQL text: in backticks unless it is an ordinary identifier.
pub(crate) fn quote_if_needed(name: &str) -> String {
    let ordinary = |(at, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit())
    };
    if !name.is_empty() && name.char_indices().all(ordinary) {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('`', "``"))
    }
}
