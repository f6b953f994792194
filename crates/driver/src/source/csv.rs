//! CSV files, as Spark's `CSVOptions`, `UnivocityParser` and `CSVInferSchema` read them.

mod decode;
mod infer;
pub(crate) mod tokens;

use super::columns::Formats;
use super::decode::Mode;
use super::records::Split;
use crate::error::Error;
use crate::options::{Options, unescaped};

pub(crate) use decode::CsvDecoder;
pub(crate) use infer::infer;

/// The options that mean something to a reader of CSV files.
const READ: &[&str] = &[
    "header",
    "inferschema",
    "sep",
    "delimiter",
    "quote",
    "escape",
    "comment",
    "nullvalue",
    "emptyvalue",
    "nanvalue",
    "positiveinf",
    "negativeinf",
    "multiline",
    "ignoreleadingwhitespace",
    "ignoretrailingwhitespace",
    "dateformat",
    "timestampformat",
    "timestampntzformat",
    "mode",
    "encoding",
    "charset",
    "linesep",
    "enforceschema",
    "preferdate",
    "timezone",
    "columnnameofcorruptrecord",
    "chartoescapequoteescaping",
];

/// Known, and without effect here: hints that change no answer.
const HARMLESS: &[&str] = &[
    "samplingratio",
    "maxcolumns",
    "maxcharspercolumn",
    "inputbuffersize",
    "columnpruning",
    "locale",
    "unescapedquotehandling",
    "maxmalformedlogperpartition",
    "quoteall",
    "escapequotes",
    "compression",
    "codec",
];

/// How the values of a record are told apart.
#[derive(Debug, Clone)]
pub(crate) struct Dialect {
    pub(crate) separator: Vec<u8>,
    pub(crate) quote: Option<u8>,
    /// What makes a quote within quotes a part of the value.
    pub(crate) escape: Option<u8>,
    /// What makes the escape within quotes a part of the value.
    pub(crate) escape_escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    pub(crate) ignore_leading: bool,
    pub(crate) ignore_trailing: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            separator: b",".to_vec(),
            quote: Some(b'"'),
            escape: Some(b'\\'),
            escape_escape: Some(b'\\'),
            comment: None,
            ignore_leading: false,
            ignore_trailing: false,
        }
    }
}

impl Dialect {
    fn new(options: &Options) -> Result<Self, Error> {
        let separator = options.either("sep", "delimiter").unwrap_or(",");
        if separator.is_empty() {
            return Err(Error::Option("the option sep is empty".into()));
        }
        let quote = options.character("quote", Some(b'"'))?;
        let escape = options.character("escape", Some(b'\\'))?;
        let default = escape.filter(|_| escape != quote);
        let escape_escape = options.character("chartoescapequoteescaping", default)?;
        if escape_escape.is_some() && escape_escape != escape {
            options.refuse(&[("chartoescapequoteescaping", "")])?;
        }
        options.refuse(&[("unescapedquotehandling", "STOP_AT_DELIMITER")])?;
        Ok(Self {
            separator: unescaped(separator).into_bytes(),
            quote,
            escape,
            escape_escape,
            comment: options.character("comment", None)?,
            ignore_leading: options.boolean("ignoreleadingwhitespace", false)?,
            ignore_trailing: options.boolean("ignoretrailingwhitespace", false)?,
        })
    }
}

/// How CSV files are read.
#[derive(Debug, Clone)]
pub(crate) struct CsvOptions {
    pub(crate) dialect: Dialect,
    pub(crate) header: bool,
    pub(crate) infer_schema: bool,
    pub(crate) mode: Mode,
    pub(crate) multi_line: bool,
    enforce_schema: bool,
    null_value: String,
    empty_value: String,
    nan: String,
    positive_infinity: String,
    negative_infinity: String,
    prefer_date: bool,
    separator_of_records: Option<Vec<u8>>,
    formats: Formats,
}

impl CsvOptions {
    /// # Errors
    /// If an option is malformed, or asks for what is not supported.
    pub(crate) fn new(options: &Options, time_zone: &str) -> Result<Self, Error> {
        options.warn_of_others("CSV", &[READ, HARMLESS, super::COMMON]);
        super::refuse_other_encodings(options)?;
        Ok(Self {
            dialect: Dialect::new(options)?,
            header: options.boolean("header", false)?,
            infer_schema: options.boolean("inferschema", false)?,
            mode: Mode::new(options),
            multi_line: options.boolean("multiline", false)?,
            enforce_schema: options.boolean("enforceschema", true)?,
            null_value: options.text("nullvalue", ""),
            empty_value: options.text("emptyvalue", ""),
            nan: options.text("nanvalue", "NaN"),
            positive_infinity: options.text("positiveinf", "Inf"),
            negative_infinity: options.text("negativeinf", "-Inf"),
            prefer_date: options.boolean("preferdate", true)?,
            separator_of_records: super::separator_of_records(options)?,
            formats: Formats::new(options, time_zone)?,
        })
    }

    pub(crate) fn split(&self) -> Split {
        match &self.separator_of_records {
            _ if self.multi_line => Split::QuotedLines(self.dialect.clone()),
            Some(separator) => Split::Separator(separator.clone()),
            None => Split::Lines,
        }
    }

    /// Whether a record is a row, or the header: not a comment or an empty line.
    fn is_row(&self, record: &[u8]) -> bool {
        let blank = match self.multi_line {
            true => matches!(record, [] | b"\n" | b"\r" | b"\r\n"),
            false => record.iter().all(|&byte| byte <= b' '),
        };
        !blank && !tokens::is_comment(record, &self.dialect)
    }

    /// What a value stands for; none for null.
    fn value<'a>(&'a self, text: &'a str, quoted: bool) -> Option<&'a str> {
        let text = match (text, quoted) {
            ("", true) => &self.empty_value,
            ("", false) => return None,
            (text, _) => text,
        };
        (text != self.null_value).then_some(text)
    }

    fn special_float(&self, text: &str) -> Option<f64> {
        match text {
            text if text == self.nan => Some(f64::NAN),
            text if text == self.positive_infinity => Some(f64::INFINITY),
            text if text == self.negative_infinity => Some(f64::NEG_INFINITY),
            _ => None,
        }
    }
}
