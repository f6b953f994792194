//! CSV files, as Spark's `CSVOptions` and univocity's `CsvWriter` write them.

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;

use super::cells::{Cells, Patterns};
use crate::error::Error;
use crate::options::{Options, unescaped};

const WRITE: &[&str] = &[
    "header",
    "sep",
    "delimiter",
    "quote",
    "quoteall",
    "escape",
    "escapequotes",
    "chartoescapequoteescaping",
    "nullvalue",
    "emptyvalue",
    "ignoreleadingwhitespace",
    "ignoretrailingwhitespace",
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

/// How rows are written as lines of CSV.
#[derive(Debug, Clone)]
pub(super) struct CsvWriter {
    header: bool,
    separator: String,
    quote: char,
    escape: Option<char>,
    /// What the escape itself is escaped with.
    escape_escape: Option<char>,
    quote_all: bool,
    escape_quotes: bool,
    null_value: String,
    empty_value: String,
    trim_leading: bool,
    trim_trailing: bool,
    line_separator: String,
    patterns: Patterns,
}

impl CsvWriter {
    /// # Errors
    /// If an option is malformed, or asks for what is not supported.
    pub(super) fn new(options: &Options, time_zone: &str) -> Result<Self, Error> {
        options.warn_of_others("CSV", &[WRITE, super::COMMON]);
        super::refuse_other_encodings(options)?;
        let character = |key, default| {
            let character = options.character(key, default)?;
            Ok::<_, Error>(character.map(char::from))
        };
        let quote = character("quote", Some(b'"'))?;
        let escape = character("escape", Some(b'\\'))?;
        let other = options.character("chartoescapequoteescaping", None)?;
        let default = escape.filter(|_| escape != quote);
        let separator = unescaped(options.either("sep", "delimiter").unwrap_or(","));
        if separator.is_empty() {
            return Err(Error::Option(
                "the option sep (or delimiter) is empty: values need something between them, such as ','"
                    .to_owned(),
            ));
        }
        Ok(Self {
            header: options.boolean("header", false)?,
            separator,
            // univocity's way to have no quotes.
            quote: quote.unwrap_or('\0'),
            escape,
            escape_escape: other.map(char::from).or(default),
            quote_all: options.boolean("quoteall", false)?,
            escape_quotes: options.boolean("escapequotes", true)?,
            null_value: options.text("nullvalue", ""),
            empty_value: options.text("emptyvalue", "\"\""),
            trim_leading: options.boolean("ignoreleadingwhitespace", true)?,
            trim_trailing: options.boolean("ignoretrailingwhitespace", true)?,
            line_separator: unescaped(options.get("linesep").unwrap_or("\n")),
            patterns: Patterns::new(options, time_zone)?,
        })
    }

    /// What a file begins with.
    pub(super) fn begin(&self, schema: &Schema, to: &mut String) {
        if self.header {
            let mut names = schema.fields().iter().map(|field| field.name().as_str());
            if let Some(first) = names.next() {
                self.value(first, to);
            }
            for name in names {
                to.push_str(&self.separator);
                self.value(name, to);
            }
            to.push_str(&self.line_separator);
        }
    }

    /// # Errors
    /// If a column's type is not written to CSV files.
    pub(super) fn write(&self, batch: &RecordBatch, to: &mut String) -> Result<(), Error> {
        let columns = batch.columns().iter().map(|column| Cells::new(column));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            let start = to.len();
            for (at, cells) in columns.iter().enumerate() {
                if at > 0 {
                    to.push_str(&self.separator);
                }
                if cells.is_null(row) {
                    self.plain(&self.null_value, to);
                    continue;
                }
                value.clear();
                match cells {
                    Cells::Binary(array) => hexadecimal(array.value(row), &mut value),
                    cells => cells.write(row, &self.patterns, &mut value),
                }
                self.value(&value, to);
            }
            // A line without text would be no row for any reader: univocity leaves it out.
            if to.len() > start {
                to.push_str(&self.line_separator);
            }
        }
        Ok(())
    }

    fn plain(&self, value: &str, to: &mut String) {
        match self.quote_all {
            true => to.extend([self.quote, self.quote]),
            false => to.push_str(value),
        }
    }

    fn value(&self, value: &str, to: &mut String) {
        let is_blank = |c: char| c <= ' ';
        let value = match self.trim_leading {
            true => value.trim_start_matches(is_blank),
            false => value,
        };
        let value = match self.trim_trailing {
            true => value.trim_end_matches(is_blank),
            false => value,
        };
        if value.is_empty() {
            return self.plain(&self.empty_value, to);
        }
        match self.is_quoted(value) {
            true => self.quoted(value, to),
            false => to.push_str(value),
        }
    }

    fn is_quoted(&self, value: &str) -> bool {
        self.quote_all
            || value.starts_with(self.quote)
            || (self.escape_quotes && value.contains(self.quote))
            || value.contains(['\n', '\r'])
            || value.contains(&self.separator)
    }

    fn quoted(&self, value: &str, to: &mut String) {
        to.push(self.quote);
        for character in value.chars() {
            if character == self.quote {
                to.extend(self.escape);
            } else if Some(character) == self.escape {
                to.extend(self.escape_escape);
            }
            to.push(character);
        }
        to.push(self.quote);
    }
}

/// Bytes as Spark shows them: `[61 62]`.
fn hexadecimal(bytes: &[u8], to: &mut String) {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    to.push('[');
    to.push_str(&bytes.join(" "));
    to.push(']');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;

    /// Rows of a number and a string, as Spark 4.1 writes them too.
    fn written(options: &[(&str, &str)]) -> String {
        let options: BTreeMap<String, String> = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let values = [
            Some("a,b"),
            Some("q\"x\\y"),
            Some(""),
            None,
            Some(" sp "),
            Some("l\nb"),
            Some("\""),
            Some("\\"),
        ];
        let batch = RecordBatch::try_from_iter([
            (
                "i",
                Arc::new(Int32Array::from_iter_values(1..=8)) as ArrayRef,
            ),
            ("s", Arc::new(StringArray::from_iter(values)) as ArrayRef),
        ])
        .unwrap();
        let writer = CsvWriter::new(&Options::new(&options), "UTC").unwrap();
        let mut text = String::new();
        writer.begin(&batch.schema(), &mut text);
        writer.write(&batch, &mut text).unwrap();
        text
    }

    #[test]
    fn values_are_quoted_as_univocity_quotes_them() {
        assert_eq!(
            written(&[]),
            "1,\"a,b\"\n2,\"q\\\"x\\\\y\"\n3,\"\"\n4,\n5,sp\n6,\"l\nb\"\n7,\"\\\"\"\n8,\\\n"
        );
        assert_eq!(
            written(&[("escape", "\""), ("header", "true"), ("nullValue", "NULL")]),
            "i,s\n1,\"a,b\"\n2,\"q\"\"x\\y\"\n3,\"\"\n4,NULL\n5,sp\n6,\"l\nb\"\n7,\"\"\"\"\n8,\\\n"
        );
        let all = written(&[("quoteAll", "true"), ("ignoreLeadingWhiteSpace", "false")]);
        assert!(all.contains("\"4\",\"\"\n\"5\",\" sp\"\n"), "{all}");
        assert!(all.ends_with("\"8\",\"\\\\\"\n"), "{all}");
        let raw = written(&[("escapeQuotes", "false"), ("sep", "\\t")]);
        assert!(raw.starts_with("1\ta,b\n2\tq\"x\\y\n"), "{raw}");
    }
}
