use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;

use super::columns::Column;
use super::decode::{Decode, Mode, Rows};
use super::records::Split;
use crate::error::Error;
use crate::options::Options;

const READ: &[&str] = &["wholetext", "linesep", "encoding", "charset"];

/// Known, and without effect here.
const HARMLESS: &[&str] = &["compression", "codec"];

/// How text files are read: each line, or each file, is the row of one column.
#[derive(Debug, Clone)]
pub(crate) struct TextOptions {
    whole: bool,
    separator_of_records: Option<Vec<u8>>,
}

impl TextOptions {
    /// # Errors
    /// If an option is malformed, or asks for what is not supported.
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        options.warn_of_others("text", &[READ, HARMLESS, super::COMMON]);
        super::refuse_other_encodings(options)?;
        Ok(Self {
            whole: options.boolean("wholetext", false)?,
            separator_of_records: super::separator_of_records(options)?,
        })
    }

    pub(crate) fn split(&self) -> Split {
        match &self.separator_of_records {
            _ if self.whole => Split::Whole,
            Some(separator) => Split::Separator(separator.clone()),
            None => Split::Lines,
        }
    }
}

/// The one column of text files.
pub(crate) fn schema() -> Schema {
    Schema::new(vec![Field::new("value", DataType::Utf8, true)])
}

/// Makes a row of each record.
pub(crate) struct TextDecoder(Rows);

impl TextDecoder {
    /// # Errors
    /// If the column is not a string.
    pub(crate) fn new(wanted: SchemaRef) -> Result<Self, Error> {
        let text = |field: &std::sync::Arc<Field>| field.data_type() == &DataType::Utf8;
        if !wanted.fields().iter().all(text) {
            return Err(Error::NotSupported(
                "text files have one column, a string".to_owned(),
            ));
        }
        let mode = Mode::new(&Options::default());
        Rows::new(wanted, mode, "text").map(Self)
    }
}

impl Decode for TextDecoder {
    fn decode(&mut self, record: &[u8]) -> Result<()> {
        for column in &mut self.0.columns {
            if let Column::Text(builder) = column {
                builder.append_value(String::from_utf8_lossy(record));
            }
        }
        self.0.end(record, true)
    }

    fn rows(&mut self) -> &mut Rows {
        &mut self.0
    }
}
