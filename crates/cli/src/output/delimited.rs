use std::io::Write;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::ArrayFormatter;

use super::{Print, PrintError, as_text};

/// Tab-separated lines without a header, NULL for nulls: what `spark-sql` prints.
pub struct TsvPrinter;

impl Print for TsvPrinter {
    fn batch(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> Result<(), PrintError> {
        let options = as_text();
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
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
