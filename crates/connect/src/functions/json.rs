//! JSON: `get_json_object`, `to_json`, `from_json` and their kin.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use serde_json::Value;

use super::arguments::{Call, Resolved, text_literal};
use super::calendar::Zone;
use super::coercion::{array_of, element, is_nested, map_entry, sql_name};
use super::json_read::{self, Options};
use super::json_write;
use super::lists::Picked;
use super::native::{Inputs, Kernel, raise};
use crate::error::Error;
use crate::{ddl, types};

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "get_json_object" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Text(|row| Ok(get(row.text(0)?, row.text(1)?)));
            call.native(
                kernel,
                vec![call.text(0)?, call.text(1)?],
                DataType::Utf8,
                true,
            )
        }
        "json_array_length" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Columns(|inputs| {
                let texts = inputs.array(0)?;
                let length = |text: &str| match serde_json::from_str(text) {
                    Ok(Value::Array(values)) => Some(values.len() as i32),
                    _ => None,
                };
                let lengths = texts
                    .as_string::<i32>()
                    .iter()
                    .map(|text| text.and_then(length));
                Ok(Arc::new(lengths.collect::<Int32Array>()) as ArrayRef)
            });
            call.native(kernel, vec![call.text(0)?], DataType::Int32, true)
        }
        "json_object_keys" => {
            call.arity(1, 1)?;
            let to = array_of(DataType::Utf8, true);
            call.native(Kernel::Columns(keys), vec![call.text(0)?], to, true)
        }
        "to_json" => {
            no_options(call, 1)?;
            if !is_nested(call.data_type(0)?) {
                return Err(call.unexpected(0, "(\"STRUCT\" or \"ARRAY\" or \"MAP\")"));
            }
            let kernel = Kernel::Columns(|inputs| {
                let values = inputs.array(0)?;
                let zone = Zone::parse(inputs.time_zone).map_err(raise)?;
                let mut texts = Vec::with_capacity(inputs.rows);
                for row in 0..inputs.rows {
                    texts.push(match values.is_null(row) {
                        true => None,
                        false => Some(json_write::text(&values, row, zone)?),
                    });
                }
                Ok(Arc::new(StringArray::from(texts)) as ArrayRef)
            });
            call.native(kernel, vec![call.expr(0)?], DataType::Utf8, true)
        }
        "from_json" => from_json(call)?,
        "schema_of_json" => {
            no_options(call, 1)?;
            let Some(text) = call.literal_text(0) else {
                return Err(call.unexpected(0, "a foldable \"STRING\""));
            };
            let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
            text_literal(&sql_name(&json_read::inferred(&value)))
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

fn no_options(call: &Call, count: usize) -> Result<(), Error> {
    call.arity(count, count + 1)?;
    match call.len() > count {
        true => Err(Error::unsupported(format!("{} with options", call.name))),
        false => Ok(()),
    }
}

/// The type that a schema argument tells: DDL or JSON text, or a call of `schema_of_json`.
fn schema(call: &Call) -> Result<DataType, Error> {
    let Some(text) = call.literal_text(1) else {
        return Err(Error::analysis(
            "INVALID_SCHEMA.NON_STRING_LITERAL",
            &[("inputSchema", &format!("\"{}\"", call.argument(1)?.name))],
        ));
    };
    let data_type = match serde_json::from_str::<Value>(text) {
        Ok(json) => {
            let schema = ddl::parse_schema_text(text)?;
            match (json["type"] == "struct", schema.fields().first()) {
                (false, Some(field)) => field.data_type().clone(),
                _ => DataType::Struct(schema.fields().clone()),
            }
        }
        Err(_) => types::to_arrow(&ddl::parse_datatype_text(text)?)?,
    };
    let nullable =
        json_read::nullable(&types::in_time_zone(&data_type, call.environment.time_zone));
    Ok(nullable)
}

fn from_json(call: &Call) -> Result<Expr, Error> {
    no_options(call, 2)?;
    let to = schema(call)?;
    if !is_nested(&to) {
        return Err(Error::analysis(
            "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA",
            &[
                ("sqlExpr", &format!("\"{}\"", call.display())),
                ("schema", &format!("\"{}\"", sql_name(&to))),
            ],
        ));
    }
    let kernel = Kernel::Columns(|inputs| {
        let texts = inputs.array(0)?;
        let options = Options {
            zone: Zone::parse(inputs.time_zone).map_err(raise)?,
        };
        let rows: Vec<Option<Value>> = texts
            .as_string::<i32>()
            .iter()
            .map(|text| text.and_then(|text| record(text, inputs.return_type)))
            .collect();
        let rows: Vec<Option<&Value>> = rows.iter().map(Option::as_ref).collect();
        json_read::column(&rows, inputs.return_type, &options)
    });
    Ok(call.native(kernel, vec![call.text(0)?], to, true))
}

/// The JSON value for a row. What is no JSON is a struct of nulls, or null where no struct is asked for.
fn record(text: &str, to: &DataType) -> Option<Value> {
    if text.trim().is_empty() {
        return None;
    }
    let malformed =
        || matches!(to, DataType::Struct(_)).then(|| Value::Object(serde_json::Map::new()));
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return malformed();
    };
    match (to, value) {
        (DataType::Struct(_), value @ Value::Object(_)) => Some(value),
        (DataType::Struct(_), _) => malformed(),
        (to, value @ Value::Object(_)) if element(to).is_some() => Some(Value::Array(vec![value])),
        (to, Value::Array(_)) if map_entry(to).is_some() => None,
        (_, value) => Some(value),
    }
}

fn keys(inputs: &Inputs) -> Result<ArrayRef> {
    let texts = inputs.array(0)?;
    let mut all: Vec<String> = Vec::new();
    let mut picked = Picked::default();
    for text in texts.as_string::<i32>() {
        match text.and_then(|text| serde_json::from_str(text).ok()) {
            Some(Value::Object(fields)) => {
                let from = all.len();
                all.extend(fields.keys().cloned());
                picked.row((from..all.len()).map(|at| Some((0, at))));
            }
            _ => picked.null(),
        }
    }
    let source: ArrayRef = Arc::new(StringArray::from(all));
    picked.finish(&[source], inputs.return_type)
}

enum Step {
    Field(String),
    Index(usize),
    All,
}

/// `$.a.b[0]['c'][*]`; `None` for what is no path.
fn path(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("['") {
            let (name, behind) = inside.split_once("']")?;
            steps.push(Step::Field(name.to_owned()));
            rest = behind;
        } else if let Some(inside) = rest.strip_prefix('[') {
            let (index, behind) = inside.split_once(']')?;
            steps.push(if index == "*" {
                Step::All
            } else {
                Step::Index(index.parse().ok()?)
            });
            rest = behind;
        } else {
            let inside = rest.strip_prefix('.')?;
            let end = inside.find(['.', '[']).unwrap_or(inside.len());
            let (name, behind) = inside.split_at(end);
            if name.is_empty() {
                return None;
            }
            steps.push(if name == "*" {
                Step::All
            } else {
                Step::Field(name.to_owned())
            });
            rest = behind;
        }
    }
    Some(steps)
}

/// What is at a path: a string without its quotes, anything else as JSON.
fn get(text: &str, path_text: &str) -> Option<String> {
    let steps = path(path_text)?;
    let value: Value = serde_json::from_str(text).ok()?;
    let mut found = Vec::new();
    collect(&value, &steps, &mut found);
    let wild = steps.iter().any(|step| matches!(step, Step::All));
    match (found.as_slice(), wild) {
        // A null of an array is shown, one of an object is not.
        ([Value::Null], false) if matches!(steps.last(), Some(Step::Index(_))) => {
            Some("null".to_owned())
        }
        ([], _) | ([Value::Null], _) => None,
        ([Value::String(text)], false) => Some(text.clone()),
        ([one], _) => Some(one.to_string()),
        (many, _) => {
            let texts: Vec<_> = many.iter().map(|value| value.to_string()).collect();
            Some(format!("[{}]", texts.join(",")))
        }
    }
}

fn collect<'a>(value: &'a Value, steps: &[Step], found: &mut Vec<&'a Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => {
            if let Some(value) = fields.get(name) {
                collect(value, rest, found);
            }
        }
        // A field of an array is that of each of its objects.
        (Step::Field(_), Value::Array(values)) => {
            for value in values.iter().filter(|value| value.is_object()) {
                collect(value, steps, found);
            }
        }
        (Step::Index(index), Value::Array(values)) => {
            if let Some(value) = values.get(*index) {
                collect(value, rest, found);
            }
        }
        (Step::All, Value::Array(values)) => {
            values.iter().for_each(|value| collect(value, rest, found))
        }
        _ => {}
    }
}
