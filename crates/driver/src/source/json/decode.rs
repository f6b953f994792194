use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;

use super::parse::{Json, parse};
use super::{Formats, JsonOptions};
use crate::error::Error;
use crate::source::columns::{Column, Struct};
use crate::source::decode::{Decode, Rows};
use crate::values::{Decimal, decode_base64, parse_float};

/// Makes rows of JSON records.
pub(crate) struct JsonDecoder {
    options: Arc<JsonOptions>,
    rows: Rows,
}

impl JsonDecoder {
    /// Reads the columns of `wanted`.
    ///
    /// # Errors
    /// If a column's type is not read from JSON files.
    pub(crate) fn new(options: Arc<JsonOptions>, wanted: SchemaRef) -> Result<Self, Error> {
        let rows = Rows::new(wanted, options.mode.clone(), "JSON")?;
        Ok(Self { options, rows })
    }

    fn row(&mut self, fields: &[(impl AsRef<str>, Json)], record: &[u8]) -> Result<()> {
        let schema = Arc::clone(self.rows.schema());
        let corrupt = self.rows.corrupt_column();
        let mut well_formed = true;
        for (at, column) in self.rows.columns.iter_mut().enumerate() {
            if Some(at) != corrupt {
                let value = last(fields, schema.field(at).name());
                well_formed &= append(column, value, &self.options.formats);
            }
        }
        self.rows.end(record, well_formed)
    }
}

impl Decode for JsonDecoder {
    fn decode(&mut self, record: &[u8]) -> Result<()> {
        if record.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(record);
        match parse(&text, self.options.leniency) {
            Some(Json::Object(fields, _)) => self.row(&fields, record),
            // Each object of an array is a row.
            Some(Json::Array(items, _)) if items.iter().all(is_object) => {
                for item in &items {
                    if let Json::Object(fields, _) = item {
                        self.row(fields, record)?;
                    }
                }
                Ok(())
            }
            _ => self.rows.malformed(record),
        }
    }

    fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }
}

fn is_object(value: &Json) -> bool {
    matches!(value, Json::Object(..))
}

/// The last field of this name, as Jackson lets it overwrite those before.
fn last<'j, 'a>(fields: &'j [(impl AsRef<str>, Json<'a>)], name: &str) -> &'j Json<'a> {
    fields
        .iter()
        .rev()
        .find(|(other, _)| other.as_ref() == name)
        .map_or(&Json::Null, |(_, value)| value)
}

/// Appends a value, or null if it is none of the column's type; says whether all of it could be read.
fn append(column: &mut Column, value: &Json, formats: &Formats) -> bool {
    if *value == Json::Null {
        column.append_null();
        return true;
    }
    if !fits(column, value, formats) {
        column.append_null();
        return false;
    }
    match (column, value) {
        (Column::List(list), Json::Array(items, _)) => {
            let mut whole = true;
            for item in items {
                whole &= append(&mut list.items, item, formats);
            }
            list.end(true);
            whole
        }
        (Column::Map(map), Json::Object(entries, _)) => {
            let mut whole = true;
            for (at, (name, value)) in entries.iter().enumerate() {
                if entries[at + 1..].iter().all(|(other, _)| other != name) {
                    map.keys.append_value(name);
                    whole &= append(&mut map.values, value, formats);
                }
            }
            map.end(true);
            whole
        }
        (Column::Struct(column), Json::Object(fields, _)) => append_struct(column, fields, formats),
        (column, value) => append_scalar(column, value, formats).is_some(),
    }
}

fn append_struct(
    column: &mut Struct,
    fields: &[(impl AsRef<str>, Json)],
    formats: &Formats,
) -> bool {
    let mut whole = true;
    for (field, column) in column.fields.iter().zip(&mut column.columns) {
        whole &= append(column, last(fields, field.name()), formats);
    }
    column.end(true);
    whole
}

/// Whether a value is one of the column's type. A struct is, whatever its fields are; an array or a map is
/// only if all that is in it is.
fn fits(column: &Column, value: &Json, formats: &Formats) -> bool {
    match (column, value) {
        (_, Json::Null) => true,
        (Column::Struct(_), value) => is_object(value),
        (Column::List(list), Json::Array(items, _)) => {
            items.iter().all(|item| fits(&list.items, item, formats))
        }
        (Column::Map(map), Json::Object(entries, _)) => entries
            .iter()
            .all(|(_, value)| fits(&map.values, value, formats)),
        (column, value) => scalar_fits(column, value, formats),
    }
}

fn scalar_fits(column: &Column, value: &Json, formats: &Formats) -> bool {
    match (column, value) {
        (Column::Text(_), _) | (Column::Boolean(_), Json::Boolean(_)) => true,
        (Column::Byte(_), _) => integer::<i8>(value).is_some(),
        (Column::Short(_), _) => integer::<i16>(value).is_some(),
        (Column::Int(_), _) => integer::<i32>(value).is_some(),
        (Column::Long(_), _) => integer::<i64>(value).is_some(),
        (Column::Float(_) | Column::Double(_), _) => float(value).is_some(),
        (Column::Decimal(_, precision, scale), _) => decimal(value, *precision, *scale).is_some(),
        (Column::Date(_), Json::String(text)) => formats.parse_date(text).is_some(),
        (Column::Timestamp(_), _) => timestamp(value, formats).is_some(),
        (Column::TimestampNtz(_), Json::String(text)) => {
            formats.parse_timestamp_ntz(text).is_some()
        }
        (Column::Binary(_), Json::String(text)) => decode_base64(text).is_some(),
        _ => false,
    }
}

fn append_scalar(column: &mut Column, value: &Json, formats: &Formats) -> Option<()> {
    match (column, value) {
        (Column::Text(builder), value) => builder.append_value(text(value)),
        (Column::Boolean(builder), Json::Boolean(value)) => builder.append_value(*value),
        (Column::Byte(builder), value) => builder.append_value(integer(value)?),
        (Column::Short(builder), value) => builder.append_value(integer(value)?),
        (Column::Int(builder), value) => builder.append_value(integer(value)?),
        (Column::Long(builder), value) => builder.append_value(integer(value)?),
        (Column::Float(builder), value) => builder.append_value(float(value)? as f32),
        (Column::Double(builder), value) => builder.append_value(float(value)?),
        (Column::Decimal(builder, precision, scale), value) => {
            builder.append_value(decimal(value, *precision, *scale)?);
        }
        (Column::Date(builder), Json::String(text)) => {
            builder.append_value(formats.parse_date(text)?);
        }
        (Column::Timestamp(builder), value) => builder.append_value(timestamp(value, formats)?),
        (Column::TimestampNtz(builder), Json::String(text)) => {
            builder.append_value(formats.parse_timestamp_ntz(text)?);
        }
        (Column::Binary(builder), Json::String(text)) => {
            builder.append_value(decode_base64(text)?);
        }
        _ => return None,
    }
    Some(())
}

/// A value as a string: a string itself, anything else as it is written.
fn text<'j>(value: &'j Json) -> &'j str {
    match value {
        Json::Null => "null",
        Json::Boolean(true) => "true",
        Json::Boolean(false) => "false",
        Json::Number(text) | Json::Array(_, text) | Json::Object(_, text) => text,
        Json::String(text) => text,
    }
}

fn integer<T: std::str::FromStr>(value: &Json) -> Option<T> {
    match value {
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

/// A float; of the strings only those for numbers that JSON has not.
fn float(value: &Json) -> Option<f64> {
    let text = match value {
        Json::Number(text) => text,
        Json::String(text) => text.as_ref(),
        _ => return None,
    };
    match (text, value) {
        ("NaN", _) => Some(f64::NAN),
        ("INF" | "+INF" | "Infinity" | "+Infinity", _) => Some(f64::INFINITY),
        ("-INF" | "-Infinity", _) => Some(f64::NEG_INFINITY),
        // Without a fraction it is an integer first, and there is but one zero of those.
        ("-0", Json::Number(_)) => Some(0.0),
        (text, Json::Number(_)) => parse_float(text),
        _ => None,
    }
}

fn decimal(value: &Json, precision: u8, scale: i8) -> Option<i128> {
    match value {
        Json::Number(text) => Decimal::parse(text)?.unscaled(precision, scale),
        Json::String(text) => Decimal::parse(&text.replace(',', ""))?.unscaled(precision, scale),
        _ => None,
    }
}

/// A timestamp: a string, or seconds since 1970.
fn timestamp(value: &Json, formats: &Formats) -> Option<i64> {
    match value {
        Json::String(text) => formats.parse_timestamp(text),
        value => integer::<i64>(value)?.checked_mul(1_000_000),
    }
}
