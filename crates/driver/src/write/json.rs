//! Lines of JSON, as Spark's `JacksonGenerator` writes them.

use std::fmt::Write;

use datafusion::arrow::record_batch::RecordBatch;

use super::cells::{Cells, Patterns};
use crate::error::Error;
use crate::options::{Options, unescaped};
use crate::values::encode_base64;

const WRITE: &[&str] = &[
    "ignorenullfields",
    "dateformat",
    "timestampformat",
    "timestampntzformat",
    "timezone",
    "linesep",
    "encoding",
    "charset",
    "compression",
    "codec",
];

/// How rows are written as JSON objects.
#[derive(Debug, Clone)]
pub(super) struct JsonWriter {
    ignore_null_fields: bool,
    line_separator: String,
    patterns: Patterns,
}

impl JsonWriter {
    /// # Errors
    /// If an option is malformed, or asks for what is not supported.
    pub(super) fn new(options: &Options, time_zone: &str) -> Result<Self, Error> {
        options.warn_of_others("JSON", &[WRITE, super::COMMON]);
        super::refuse_other_encodings(options)?;
        options.refuse(&[
            ("pretty", "false"),
            ("writenonasciicharacterascodepoint", "false"),
        ])?;
        Ok(Self {
            ignore_null_fields: options.boolean("ignorenullfields", true)?,
            line_separator: unescaped(options.get("linesep").unwrap_or("\n")),
            patterns: Patterns::new(options, time_zone)?,
        })
    }

    /// # Errors
    /// If a column's type is not written to JSON files.
    pub(super) fn write(&self, batch: &RecordBatch, to: &mut String) -> Result<(), Error> {
        let schema = batch.schema_ref();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns = columns
            .map(|(field, column)| Ok((field.name().as_str(), Cells::new(column)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        for row in 0..batch.num_rows() {
            self.object(&columns, row, to);
            to.push_str(&self.line_separator);
        }
        Ok(())
    }

    fn object(&self, columns: &[(&str, Cells)], row: usize, to: &mut String) {
        to.push('{');
        let mut first = true;
        for (name, cells) in columns {
            if self.ignore_null_fields && cells.is_null(row) {
                continue;
            }
            comma(&mut first, to);
            string(name, to);
            to.push(':');
            self.value(cells, row, to);
        }
        to.push('}');
    }

    fn value(&self, cells: &Cells, row: usize, to: &mut String) {
        match cells {
            cells if cells.is_null(row) => to.push_str("null"),
            Cells::Text(array) => string(array.value(row), to),
            Cells::Binary(array) => {
                to.push('"');
                encode_base64(array.value(row), to);
                to.push('"');
            }
            Cells::Float(array) if !array.value(row).is_finite() => self.quoted(cells, row, to),
            Cells::Double(array) if !array.value(row).is_finite() => self.quoted(cells, row, to),
            Cells::Date(_) | Cells::Timestamp(_) | Cells::TimestampNtz(_) => {
                self.quoted(cells, row, to);
            }
            Cells::List(array, items) => {
                to.push('[');
                let offsets = array.value_offsets();
                for item in offsets[row] as usize..offsets[row + 1] as usize {
                    if item > offsets[row] as usize {
                        to.push(',');
                    }
                    self.value(items, item, to);
                }
                to.push(']');
            }
            Cells::Struct(_, columns) => self.object(columns, row, to),
            Cells::Map(array, entries) => {
                let offsets = array.value_offsets();
                let entries_of_row = offsets[row] as usize..offsets[row + 1] as usize;
                self.map(entries, entries_of_row, to);
            }
            cells => cells.write(row, &self.patterns, to),
        }
    }

    fn map(&self, (keys, values): &(Cells, Cells), of: std::ops::Range<usize>, to: &mut String) {
        to.push('{');
        let mut first = true;
        let mut key = String::new();
        for entry in of {
            comma(&mut first, to);
            key.clear();
            match keys {
                // As Spark writes them: in days and microseconds.
                Cells::Date(array) => key = array.value(entry).to_string(),
                Cells::Timestamp(array) | Cells::TimestampNtz(array) => {
                    key = array.value(entry).to_string();
                }
                keys => keys.write(entry, &self.patterns, &mut key),
            }
            string(&key, to);
            to.push(':');
            self.value(values, entry, to);
        }
        to.push('}');
    }

    fn quoted(&self, cells: &Cells, row: usize, to: &mut String) {
        let mut text = String::new();
        cells.write(row, &self.patterns, &mut text);
        string(&text, to);
    }
}

fn comma(first: &mut bool, to: &mut String) {
    if !std::mem::take(first) {
        to.push(',');
    }
}

/// A string with the escapes that Jackson makes.
fn string(text: &str, to: &mut String) {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            '\u{8}' => to.push_str("\\b"),
            '\u{c}' => to.push_str("\\f"),
            control if control < ' ' => {
                // Writing into a string cannot fail.
                let _ = write!(to, "\\u{:04X}", control as u32);
            }
            other => to.push(other),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_jackson_escapes_them() {
        let mut text = String::new();
        string("ctl\u{1}/\\\"\u{2028}<é\u{7f}\n", &mut text);
        assert_eq!(text, "\"ctl\\u0001/\\\\\\\"\u{2028}<é\u{7f}\\n\"");
    }
}
