use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Result, exec_err};

use super::CsvOptions;
use super::tokens::Tokens;
use crate::error::Error;
use crate::source::columns::{Column, not_read};
use crate::source::decode::{Decode, Rows};
use crate::values::{Decimal, parse_float};

/// Makes rows of CSV records.
pub(crate) struct CsvDecoder {
    options: Arc<CsvOptions>,
    rows: Rows,
    /// Which value of a record each column takes; none for the column of malformed records.
    places: Vec<Option<usize>>,
    /// The names of the values of a record.
    names: Vec<String>,
    /// As in Spark values that no one asked for make no record malformed, and nor does their number.
    checks_width: bool,
    at_header: bool,
    tokens: Tokens,
}

impl CsvDecoder {
    /// Reads the columns of `wanted`, which are some of those of `schema`. With `at_header` the first
    /// record is the header.
    ///
    /// # Errors
    /// If a column's type is not read from CSV files.
    pub(crate) fn new(
        options: Arc<CsvOptions>,
        schema: &Schema,
        wanted: SchemaRef,
        at_header: bool,
    ) -> Result<Self, Error> {
        if let Some(field) = wanted
            .fields()
            .iter()
            .find(|field| field.data_type().is_nested())
        {
            return Err(not_read(field, "CSV"));
        }
        let corrupt = &options.mode.column;
        let names: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .filter(|name| name != corrupt)
            .collect();
        let place = |name: &String| names.iter().position(|other| other == name);
        let places: Vec<_> = wanted
            .fields()
            .iter()
            .map(|field| place(field.name()))
            .collect();
        let wants_corrupt = places.contains(&None);
        Ok(Self {
            checks_width: wants_corrupt || places.len() == names.len(),
            rows: Rows::new(wanted, options.mode.clone(), "CSV")?,
            at_header,
            names,
            places,
            tokens: Tokens::default(),
            options,
        })
    }

    /// With `enforceSchema` off the header has to be the schema's names.
    fn check_header(&self) -> Result<()> {
        let header: Vec<String> = (0..self.tokens.len())
            .filter_map(|at| Some(self.tokens.get(at)?.0.into_owned()))
            .collect();
        let same = header.len() == self.names.len()
            && header
                .iter()
                .zip(&self.names)
                .all(|(a, b)| a.eq_ignore_ascii_case(b));
        match same || self.options.enforce_schema {
            true => Ok(()),
            false => exec_err!(
                "the header of a CSV file, {}, is not its schema, {}, and enforceSchema is off",
                header.join(", "),
                self.names.join(", ")
            ),
        }
    }

    /// Whether every value that is wanted could be read.
    fn append_values(&mut self) -> bool {
        let mut well_formed = !self.checks_width || self.tokens.len() == self.names.len();
        for (column, place) in self.rows.columns.iter_mut().zip(&self.places) {
            let Some(place) = *place else {
                continue;
            };
            let token = self.tokens.get(place);
            let value = token
                .as_ref()
                .and_then(|(text, quoted)| self.options.value(text, *quoted));
            match value {
                None => column.append_null(),
                Some(text) => {
                    if append(column, text, &self.options).is_none() {
                        column.append_null();
                        well_formed = false;
                    }
                }
            }
        }
        well_formed
    }
}

impl Decode for CsvDecoder {
    fn decode(&mut self, record: &[u8]) -> Result<()> {
        if !self.options.is_row(record) {
            return Ok(());
        }
        let multi_line = self.options.multi_line;
        self.tokens
            .read(record, &self.options.dialect, multi_line, true);
        if std::mem::take(&mut self.at_header) {
            return self.check_header();
        }
        let well_formed = self.append_values();
        self.rows.end(record, well_formed)
    }

    fn rows(&mut self) -> &mut Rows {
        &mut self.rows
    }
}

/// Appends the value that a text is; none, and nothing, if it is none of the column's type.
fn append(column: &mut Column, text: &str, options: &CsvOptions) -> Option<()> {
    let formats = &options.formats;
    match column {
        Column::Boolean(builder) => builder.append_value(parse_boolean(text)?),
        Column::Byte(builder) => builder.append_value(text.parse().ok()?),
        Column::Short(builder) => builder.append_value(text.parse().ok()?),
        Column::Int(builder) => builder.append_value(text.parse().ok()?),
        Column::Long(builder) => builder.append_value(text.parse().ok()?),
        Column::Float(builder) => builder.append_value(match options.special_float(text) {
            Some(special) => special as f32,
            None => parse_float(text)?,
        }),
        Column::Double(builder) => {
            let special = options.special_float(text);
            builder.append_value(special.or_else(|| parse_float(text))?);
        }
        Column::Decimal(builder, precision, scale) => {
            let number = Decimal::parse(&text.replace(',', ""))?;
            builder.append_value(number.unscaled(*precision, *scale)?);
        }
        Column::Date(builder) => builder.append_value(formats.parse_date(text)?),
        Column::Timestamp(builder) => builder.append_value(formats.parse_timestamp(text)?),
        Column::TimestampNtz(builder) => builder.append_value(formats.parse_timestamp_ntz(text)?),
        Column::Text(builder) => builder.append_value(text),
        Column::Binary(builder) => builder.append_value(text),
        Column::Void(_) | Column::List(_) | Column::Struct(_) | Column::Map(_) => return None,
    }
    Some(())
}

pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
