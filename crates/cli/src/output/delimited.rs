use std::io::Write;

use datafusion::arrow::record_batch::RecordBatch;

use super::{Print, PrintError, as_text, formatters};

/// Tab-separated lines without a header, NULL for nulls: what `spark-sql` prints.
pub struct TsvPrinter;

impl Print for TsvPrinter {
    fn batch(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> Result<(), PrintError> {
        let options = as_text();
        let columns = formatters(batch, &options)?;
        for row in 0..batch.num_rows() {
            for (at, column) in columns.iter().enumerate() {
                if at > 0 {
                    to.write_all(b"\t")?;
                }
                write!(to, "{}", column.value(row))?;
            }
            to.write_all(b"\n")?;
        }
        Ok(())
    }

    fn end(&mut self, _to: &mut dyn Write) -> Result<(), PrintError> {
        Ok(())
    }
}
