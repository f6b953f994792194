use std::io::Write;

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;

use super::{Print, PrintError, as_text, formatters};

/// Rows that are looked at before the columns' widths are settled, and drawn at once after that.
const CHUNK: usize = 1000;
/// Bytes of text that are drawn at once, in fewer rows if they are wide: drawing takes a multiple of them.
const CHUNK_BYTES: usize = 256 << 10;

/// A drawn table that does not hold its rows: the first of them, up to a thousand, settle the widths of the columns,
/// later cells that are wider are wrapped.
pub struct TablePrinter {
    schema: SchemaRef,
    rows: Vec<Vec<String>>,
    /// Bytes of text in them.
    bytes: usize,
    /// Set once the header has been printed.
    widths: Option<Vec<u16>>,
}

impl TablePrinter {
    pub fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            rows: Vec::new(),
            bytes: 0,
            widths: None,
        }
    }

    fn draw(&mut self, last: bool, to: &mut dyn Write) -> Result<(), PrintError> {
        self.bytes = 0;
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic);
        if self.widths.is_none() {
            table.set_header(self.schema.fields().iter().map(|field| field.name()));
        }
        for row in self.rows.drain(..) {
            table.add_row(
                row.into_iter()
                    .zip(self.schema.fields())
                    .map(|(text, field)| {
                        let alignment = match field.data_type().is_numeric() {
                            true => CellAlignment::Right,
                            false => CellAlignment::Left,
                        };
                        Cell::new(text).set_alignment(alignment)
                    }),
            );
        }
        if let Some(widths) = &self.widths {
            for (column, width) in table.column_iter_mut().zip(widths) {
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(*width)));
            }
        }
        self.write(&table, last, to)
    }

    /// Writes the drawing without the borders that belong between the chunks of one table.
    fn write(&mut self, table: &Table, last: bool, to: &mut dyn Write) -> Result<(), PrintError> {
        let lines: Vec<String> = table.lines().collect();
        let from = usize::from(self.widths.is_some());
        let until = lines.len() - usize::from(!last);
        for line in lines.get(from..until).unwrap_or_default() {
            writeln!(to, "{line}")?;
        }
        if self.widths.is_none() {
            self.widths = lines.first().map(|border| widths_of(border));
        }
        Ok(())
    }
}

/// The widths of columns, padding included, as the top border shows them.
fn widths_of(border: &str) -> Vec<u16> {
    border
        .trim_matches(['┌', '┐'])
        .split('┬')
        .map(|column| u16::try_from(column.chars().count()).unwrap_or(u16::MAX))
        .collect()
}

impl Print for TablePrinter {
    fn batch(&mut self, batch: &RecordBatch, to: &mut dyn Write) -> Result<(), PrintError> {
        let options = as_text();
        let columns = formatters(batch, &options)?;
        for row in 0..batch.num_rows() {
            if self.rows.len() == CHUNK || self.bytes >= CHUNK_BYTES {
                self.draw(false, to)?;
            }
            let texts = columns.iter().map(|column| column.value(row).to_string());
            let texts: Vec<String> = texts.collect();
            self.bytes += texts.iter().map(String::len).sum::<usize>();
            self.rows.push(texts);
        }
        Ok(())
    }

    fn end(&mut self, to: &mut dyn Write) -> Result<(), PrintError> {
        self.draw(true, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    fn drawn(rows: usize) -> Vec<String> {
        let numbers = Int64Array::from_iter_values(1000..1000 + rows as i64);
        let names =
            StringArray::from_iter_values((1000..1000 + rows).map(|row| format!("row {row}")));
        let batch = RecordBatch::try_from_iter(vec![
            ("n", Arc::new(numbers) as _),
            ("name", Arc::new(names) as _),
        ])
        .unwrap();
        let mut printer = TablePrinter::new(batch.schema());
        let mut text = Vec::new();
        printer.batch(&batch, &mut text).unwrap();
        printer.end(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn chunks_of_a_long_table_are_one_table() {
        let lines = drawn(2 * CHUNK + 1);
        assert_eq!(lines.len(), 2 * CHUNK + 1 + 4);
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width));
        assert!(
            lines[CHUNK + 3].contains("row 2000"),
            "{}",
            lines[CHUNK + 3]
        );
        assert!(lines.last().unwrap().starts_with('└'));
    }

    #[test]
    fn wide_rows_are_drawn_before_they_are_many() {
        const WIDE: usize = 50_000;
        let texts = StringArray::from_iter_values((0..9).map(|_| "x".repeat(WIDE)));
        let batch = RecordBatch::try_from_iter(vec![("s", Arc::new(texts) as _)]).unwrap();
        let mut printer = TablePrinter::new(batch.schema());
        let mut text = Vec::new();
        printer.batch(&batch, &mut text).unwrap();
        assert_eq!(printer.rows.len(), 9 - CHUNK_BYTES.div_ceil(WIDE));
        assert!(text.len() > CHUNK_BYTES);
        printer.end(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), 9 + 4);
    }

    #[test]
    fn no_rows_are_a_header_alone() {
        assert_eq!(drawn(0).len(), 4);
    }
}
