//! JSON files, as Spark's `JSONOptions`, `JacksonParser` and `JsonInferSchema` read them.

mod decode;
mod infer;
mod parse;

use super::columns::Formats;
use super::decode::Mode;
use super::records::Split;
use crate::error::Error;
use crate::options::Options;

pub(crate) use decode::JsonDecoder;
pub(crate) use infer::infer;

const READ: &[&str] = &[
    "multiline",
    "primitivesasstring",
    "prefersdecimal",
    "dropfieldifallnull",
    "infertimestamp",
    "allowcomments",
    "allowunquotedfieldnames",
    "allowsinglequotes",
    "allownumericleadingzeros",
    "allownonnumericnumbers",
    "allowbackslashescapinganycharacter",
    "allowunquotedcontrolchars",
    "dateformat",
    "timestampformat",
    "timestampntzformat",
    "mode",
    "encoding",
    "charset",
    "linesep",
    "timezone",
    "columnnameofcorruptrecord",
];

/// Known, and without effect here: hints that change no answer.
const HARMLESS: &[&str] = &[
    "samplingratio",
    "locale",
    "ignorenullfields",
    "compression",
    "codec",
];

/// How JSON files are read.
#[derive(Debug, Clone)]
pub(crate) struct JsonOptions {
    pub(crate) mode: Mode,
    pub(crate) multi_line: bool,
    primitives_as_string: bool,
    prefers_decimal: bool,
    drop_field_if_all_null: bool,
    infer_timestamp: bool,
    leniency: Leniency,
    separator_of_records: Option<Vec<u8>>,
    formats: Formats,
}

/// What is let pass though it is no JSON: Jackson's features of the same names.
#[derive(Debug, Clone, Copy, Default)]
struct Leniency {
    comments: bool,
    unquoted_names: bool,
    single_quotes: bool,
    leading_zeros: bool,
    non_numeric_numbers: bool,
    escaping_any: bool,
    control_characters: bool,
}

impl JsonOptions {
    /// # Errors
    /// If an option is malformed, or asks for what is not supported.
    pub(crate) fn new(options: &Options, time_zone: &str) -> Result<Self, Error> {
        options.warn_of_others("JSON", &[READ, HARMLESS, super::COMMON]);
        super::refuse_other_encodings(options)?;
        Ok(Self {
            mode: Mode::new(options),
            multi_line: options.boolean("multiline", false)?,
            primitives_as_string: options.boolean("primitivesasstring", false)?,
            prefers_decimal: options.boolean("prefersdecimal", false)?,
            drop_field_if_all_null: options.boolean("dropfieldifallnull", false)?,
            infer_timestamp: options.boolean("infertimestamp", false)?,
            leniency: Leniency {
                comments: options.boolean("allowcomments", false)?,
                unquoted_names: options.boolean("allowunquotedfieldnames", false)?,
                single_quotes: options.boolean("allowsinglequotes", true)?,
                leading_zeros: options.boolean("allownumericleadingzeros", false)?,
                non_numeric_numbers: options.boolean("allownonnumericnumbers", true)?,
                escaping_any: options.boolean("allowbackslashescapinganycharacter", false)?,
                control_characters: options.boolean("allowunquotedcontrolchars", false)?,
            },
            separator_of_records: super::separator_of_records(options)?,
            formats: Formats::new(options, time_zone)?,
        })
    }

    pub(crate) fn split(&self) -> Split {
        match &self.separator_of_records {
            _ if self.multi_line => Split::Elements,
            Some(separator) => Split::Separator(separator.clone()),
            None => Split::Lines,
        }
    }
}
