//! What `show` prints (`Dataset.showString`), and the HTML that notebooks show.

mod entities;

use std::borrow::Cow;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::Schema;

use crate::error::Error;
use crate::text::{Style, Texts};

const NARROWEST: usize = 3;

/// How much of the rows to show, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Show<'a> {
    /// At most this many rows; none if it is negative.
    pub(crate) num_rows: i32,
    /// Longer cells are cut to this; not at all if it is not above zero.
    pub(crate) truncate: i32,
    pub(crate) vertical: bool,
    pub(crate) time_zone: &'a str,
}

/// The rows as text. The batches hold one row more than are shown, if there are more.
pub(crate) fn show_string(
    schema: &Schema,
    batches: &[RecordBatch],
    show: Show<'_>,
) -> Result<String, Error> {
    let table = Table::new(schema, batches, show)?;
    let mut text = match show.vertical {
        true => table.records(),
        false => table.grid(show.truncate > 0),
    };
    if show.vertical && table.rows.is_empty() {
        text.push_str("(0 rows)");
    } else {
        text.push_str(&table.footer());
    }
    Ok(text)
}

/// The rows as an HTML table.
pub(crate) fn html_string(
    schema: &Schema,
    batches: &[RecordBatch],
    show: Show<'_>,
) -> Result<String, Error> {
    let table = Table::new(schema, batches, show)?;
    let row = |cells: &[String], tag: &str| {
        let cells: Vec<String> = cells.iter().map(|cell| entities::escape(cell)).collect();
        let between = format!("</{tag}><{tag}>");
        format!("<tr><{tag}>{}</{tag}></tr>\n", cells.join(&between))
    };
    let mut html = format!("<table border='1'>\n{}", row(&table.names, "th"));
    for cells in &table.rows {
        html.push_str(&row(cells, "td"));
    }
    html.push_str("</table>\n");
    let footer = table.footer();
    if !footer.is_empty() {
        html.push_str(&format!("{footer}\n"));
    }
    Ok(html)
}

struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    shown: usize,
    has_more: bool,
}

impl Table {
    fn new(schema: &Schema, batches: &[RecordBatch], show: Show<'_>) -> Result<Self, Error> {
        let texts = Texts::new(Style::Pretty, show.time_zone)?;
        let shown = usize::try_from(show.num_rows).unwrap_or(0);
        let names = schema.fields().iter();
        let names = names.map(|field| escape_meta_characters(field.name()).into_owned());
        let mut rows = vec![];
        for batch in batches {
            let wanted = batch.num_rows().min(shown - rows.len());
            let columns: Result<Vec<_>, Error> = batch
                .columns()
                .iter()
                .map(|column| texts.column(&column.slice(0, wanted)))
                .collect();
            let columns = columns?;
            rows.extend((0..wanted).map(|row| {
                let cells = columns.iter().map(|column| column.value(row));
                cells.map(|text| cut(text, show.truncate)).collect()
            }));
        }
        let rows_in_all: usize = batches.iter().map(RecordBatch::num_rows).sum();
        Ok(Self {
            names: names.collect(),
            rows,
            shown,
            has_more: rows_in_all > shown,
        })
    }

    fn grid(&self, right: bool) -> String {
        let lines = || std::iter::once(&self.names).chain(&self.rows);
        let mut widths = vec![NARROWEST; self.names.len()];
        for line in lines() {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = half_width(cell).max(*width);
            }
        }
        let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let separator = format!("+{}+\n", dashes.join("+"));
        let mut text = separator.clone();
        for (index, line) in lines().enumerate() {
            let cells = line.iter().zip(&widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| match right {
                    true => format!("{}{cell}", gap(cell, *width)),
                    false => format!("{cell}{}", gap(cell, *width)),
                })
                .collect();
            text.push_str(&format!("|{}|\n", cells.join("|")));
            if index == 0 {
                text.push_str(&separator);
            }
        }
        text + &separator
    }

    fn records(&self) -> String {
        let widest = |cells: &mut dyn Iterator<Item = &String>| {
            cells
                .map(|cell| half_width(cell))
                .fold(NARROWEST, usize::max)
        };
        let names = widest(&mut self.names.iter());
        let cells = widest(&mut self.rows.iter().flatten());
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            // Five more than names and cells, for the blanks and the bar of a line.
            let header = format!("-RECORD {index}");
            text.push_str(&format!("{header:-<width$}\n", width = names + cells + 5));
            for (name, cell) in self.names.iter().zip(row) {
                let (after_name, after_cell) = (gap(name, names), gap(cell, cells));
                text.push_str(&format!(" {name}{after_name} | {cell}{after_cell} \n"));
            }
        }
        text
    }

    fn footer(&self) -> String {
        match (self.has_more, self.shown) {
            (false, _) => String::new(),
            (true, 1) => "only showing top 1 row".to_owned(),
            (true, shown) => format!("only showing top {shown} rows"),
        }
    }
}

fn gap(cell: &str, width: usize) -> String {
    " ".repeat(width - half_width(cell))
}

/// Cuts a cell to `truncate` UTF-16 units, as Java counts. Dots mark the cut where there is room.
fn cut(text: &str, truncate: i32) -> String {
    let text = escape_meta_characters(text);
    match usize::try_from(truncate) {
        Ok(longest @ 1..) if text.encode_utf16().count() > longest => match longest {
            1..4 => first_units(&text, longest),
            _ => first_units(&text, longest - 3) + "...",
        },
        _ => text.into_owned(),
    }
}

/// Half of a surrogate pair becomes a question mark, as in the message that Java would send.
fn first_units(text: &str, units: usize) -> String {
    let units = text.encode_utf16().take(units);
    char::decode_utf16(units)
        .map(|c| c.unwrap_or('?'))
        .collect()
}

/// `SchemaUtils.escapeMetaCharacters`.
pub(crate) fn escape_meta_characters(text: &str) -> Cow<'_, str> {
    let escaped = |c| match c {
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        '\u{C}' => Some("\\f"),
        '\u{8}' => Some("\\b"),
        '\u{B}' => Some("\\v"),
        '\u{7}' => Some("\\a"),
        _ => None,
    };
    if !text.contains(|c| escaped(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match escaped(c) {
            Some(text) => out.push_str(text),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// `Utils.stringHalfWidth`: the width in a terminal, where East Asian characters take two columns.
fn half_width(text: &str) -> usize {
    let width = |c: char| match c {
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE6F}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}' => 2,
        c => c.len_utf16(),
    };
    text.chars().map(width).sum()
}

#[cfg(test)]
mod tests;
