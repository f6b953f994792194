use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::builder::BooleanBufferBuilder;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};

use super::columns::Column;
use crate::error::Error;
use crate::options::Options;

/// What is done about a record that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) malformed: Malformed,
    /// The column that the text of a malformed record goes to, if the schema has it.
    pub(crate) column: String,
}

/// What is done about a malformed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Its values that cannot be read are null.
    Permitted,
    /// It is passed over.
    Dropped,
    /// The query fails.
    Refused,
}

impl Mode {
    /// The option `mode`; as in Spark one that is none of the three is `PERMISSIVE`.
    pub(crate) fn new(options: &Options) -> Self {
        let mode = options.text("mode", "PERMISSIVE").to_uppercase();
        let malformed = match mode.as_str() {
            "DROPMALFORMED" => Malformed::Dropped,
            "FAILFAST" => Malformed::Refused,
            _ => Malformed::Permitted,
        };
        Self {
            malformed,
            column: options.text("columnnameofcorruptrecord", "_corrupt_record"),
        }
    }

    pub(crate) fn error(record: &[u8]) -> DataFusionError {
        exec_datafusion_err!(
            "Malformed records are detected in record parsing: {}. Parse Mode: FAILFAST. To process malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'",
            String::from_utf8_lossy(record)
        )
    }
}

/// What makes rows of the records of a file.
pub(crate) trait Decode: Send {
    /// Reads a record, which may be no row, one or several.
    ///
    /// # Errors
    /// If it is malformed and that is refused.
    fn decode(&mut self, record: &[u8]) -> Result<()>;

    /// The rows since the last batch.
    fn rows(&mut self) -> &mut Rows;
}

/// Rows on their way into a batch.
pub(crate) struct Rows {
    schema: SchemaRef,
    pub(crate) columns: Vec<Column>,
    /// Where the text of malformed records goes.
    corrupt: Option<usize>,
    kept: BooleanBufferBuilder,
    dropped: usize,
    mode: Mode,
}

impl Rows {
    /// # Errors
    /// If a column's type is not read from `format` files.
    pub(crate) fn new(schema: SchemaRef, mode: Mode, format: &str) -> Result<Self, Error> {
        let columns = schema
            .fields()
            .iter()
            .map(|field| Column::new(field, format));
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            corrupt: schema.index_of(&mode.column).ok(),
            kept: BooleanBufferBuilder::new(0),
            dropped: 0,
            mode,
            schema,
        })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The column that the text of malformed records goes to.
    pub(crate) fn corrupt_column(&self) -> Option<usize> {
        self.corrupt
    }

    /// Ends a row that has got a value in each column but the one for malformed records.
    ///
    /// # Errors
    /// If it is malformed and that is refused.
    pub(crate) fn end(&mut self, record: &[u8], well_formed: bool) -> Result<()> {
        let malformed = self.mode.malformed;
        if !well_formed && malformed == Malformed::Refused {
            return Err(Mode::error(record));
        }
        if let Some(corrupt) = self.corrupt {
            match &mut self.columns[corrupt] {
                Column::Text(builder) if !well_formed => {
                    builder.append_value(String::from_utf8_lossy(record));
                }
                column => column.append_null(),
            }
        }
        let keep = well_formed || malformed != Malformed::Dropped;
        self.kept.append(keep);
        self.dropped += usize::from(!keep);
        Ok(())
    }

    /// A row of nulls, for a record that cannot be read at all.
    ///
    /// # Errors
    /// If that is refused.
    pub(crate) fn malformed(&mut self, record: &[u8]) -> Result<()> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            if Some(at) != self.corrupt {
                column.append_null();
            }
        }
        self.end(record, false)
    }

    /// The rows so far as a batch.
    ///
    /// # Errors
    /// If there are more bytes in a column than Arrow can count.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        let columns: Result<Vec<_>, _> = self.columns.iter_mut().map(Column::finish).collect();
        let schema = SchemaRef::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns?, &options)?;
        let kept = BooleanArray::new(self.kept.finish(), None);
        match std::mem::take(&mut self.dropped) {
            0 => Ok(batch),
            _ => filter_record_batch(&batch, &kept),
        }
    }
}
