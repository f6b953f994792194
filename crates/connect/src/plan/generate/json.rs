//! The fields of JSON objects as text: Spark's `JsonTuple`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};
use serde_json::Value;

/// The fields named by the other arguments of the objects in the first. What is no object has none.
pub(super) fn fields(arguments: &[ArrayRef], data_type: &DataType) -> Result<ArrayRef> {
    let DataType::Struct(fields) = data_type else {
        return internal_err!("{data_type} is no struct");
    };
    let texts: Vec<StringArray> = arguments
        .iter()
        .map(|argument| Ok(cast(argument, &DataType::Utf8)?.as_string::<i32>().clone()))
        .collect::<Result<_>>()?;
    let Some((objects, names)) = texts.split_first() else {
        return internal_err!("json_tuple has no arguments");
    };
    let mut columns: Vec<StringBuilder> = names.iter().map(|_| StringBuilder::new()).collect();
    for row in 0..objects.len() {
        let object = objects
            .is_valid(row)
            .then(|| parse(objects.value(row)))
            .flatten();
        for (column, names) in columns.iter_mut().zip(names) {
            let name = names.is_valid(row).then(|| names.value(row));
            let value = object
                .as_ref()
                .zip(name)
                .and_then(|(object, name)| object.get(name));
            column.append_option(value.and_then(text));
        }
    }
    let columns = columns
        .into_iter()
        .map(|mut column| Arc::new(column.finish()) as ArrayRef)
        .collect();
    Ok(Arc::new(StructArray::try_new(
        fields.clone(),
        columns,
        None,
    )?))
}

/// The first value in the text; what comes after it does not matter.
fn parse(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .next()?
        .ok()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
