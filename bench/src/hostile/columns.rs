//! Parquet: row groups, columns and dictionaries larger than a writer of good will would make them.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, StringArray, StringBuilder};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use super::{Size, Statement, random};

/// Rows that a generator holds at a time.
const BATCH: u64 = 8192;

/// Characters of a long string: sixteen that tell it from all others, and filling that compresses away.
const STRING: u64 = 1000;
const FILLING: &str = "the quick brown fox jumps over the lazy dog and ";

/// Characters of a long dictionary value.
const ENTRY: u64 = 100;

/// Rows that a value of the dictionary has.
const ROWS_PER_ENTRY: u64 = 2;

/// Rows of the table with many columns: a few row groups of a batch each.
const WIDE_ROWS: u64 = 3 * BATCH;

pub(super) fn group_rows(size: Size) -> u64 {
    size.of(10_000_000)
}

pub(super) fn string_bytes(size: Size) -> u64 {
    size.of(2_000_000) * STRING
}

pub(super) fn entries(size: Size) -> u64 {
    size.of(5_000_000)
}

pub(super) fn dictionary_bytes(size: Size) -> u64 {
    entries(size) * ENTRY
}

pub(super) fn many(size: Size) -> u64 {
    size.of(5_000).max(2)
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::SNAPPY)
}

/// Writes `rows` rows, made a batch at a time from the numbers of its rows.
fn write(
    file: &Path,
    properties: WriterPropertiesBuilder,
    rows: u64,
    batch: impl Fn(std::ops::Range<u64>) -> Result<RecordBatch>,
) -> Result<()> {
    let schema = batch(0..1)?.schema();
    let mut writer = ArrowWriter::try_new(File::create(file)?, schema, Some(properties.build()))?;
    for start in (0..rows).step_by(BATCH as usize) {
        writer.write(&batch(start..rows.min(start + BATCH))?)?;
    }
    writer.close()?;
    Ok(())
}

fn batch_of(columns: Vec<(String, ArrayRef)>) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn numbers(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(values.map(|value| value as i64).collect::<Int64Array>())
}

/// A string of `length` characters that no other place has.
fn long_string(builder: &mut StringBuilder, place: u64, length: u64) -> std::fmt::Result {
    write!(builder, "{:016x}", random::at(place))?;
    let mut left = length as usize - 16;
    while left > 0 {
        let piece = left.min(FILLING.len());
        builder.write_str(&FILLING[..piece])?;
        left -= piece;
    }
    builder.append_value("");
    Ok(())
}

fn long_strings(places: impl Iterator<Item = u64>, length: u64) -> Result<ArrayRef> {
    let mut builder = StringBuilder::new();
    for place in places {
        long_string(&mut builder, place, length)?;
    }
    Ok(Arc::new(builder.finish()))
}

/// Reads the column, sorts it, groups by it. `distinct` values in `rows` rows of `length` characters.
fn over_strings(rows: u64, distinct: u64, length: u64) -> Vec<Statement> {
    vec![
        Statement::new(
            "count and lengths",
            "SELECT count(*), sum(length(s)) FROM t",
            &[rows, rows * length],
        ),
        Statement::new(
            "order by",
            "SELECT count(*), sum(CASE WHEN before > s THEN 1 ELSE 0 END) FROM \
             (SELECT s, lag(s) OVER (ORDER BY s) AS before FROM t)",
            &[rows, 0],
        ),
        Statement::new(
            "group by",
            "SELECT count(*), sum(n) FROM (SELECT s, count(*) AS n FROM t GROUP BY s)",
            &[distinct, rows],
        ),
    ]
}

pub(super) fn write_one_row_group(file: &Path, size: Size) -> Result<()> {
    let rows = group_rows(size);
    let properties = properties().set_max_row_group_row_count(Some(rows as usize));
    write(file, properties, rows, |range| {
        let strings: StringArray = range.clone().map(|row| Some(random::hex(row))).collect();
        batch_of(vec![
            ("id".to_owned(), numbers(range.clone())),
            (
                "k".to_owned(),
                numbers(range.map(|row| random::at(row) % 1_000_000)),
            ),
            ("s".to_owned(), Arc::new(strings)),
        ])
    })
}

pub(super) fn one_row_group_statements(size: Size) -> Vec<Statement> {
    let rows = group_rows(size);
    over_strings(rows, rows, 16)
}

pub(super) fn write_long_strings(file: &Path, size: Size) -> Result<()> {
    // Each value is new: a dictionary would only be tried and given up.
    let properties = properties().set_dictionary_enabled(false);
    write(file, properties, string_bytes(size) / STRING, |range| {
        batch_of(vec![("s".to_owned(), long_strings(range, STRING)?)])
    })
}

pub(super) fn long_strings_statements(size: Size) -> Vec<Statement> {
    let rows = string_bytes(size) / STRING;
    over_strings(rows, rows, STRING)
}

pub(super) fn write_dictionary(file: &Path, size: Size) -> Result<()> {
    let entries = entries(size);
    let rows = entries * ROWS_PER_ENTRY;
    // All in one row group, whose dictionary is one page however large it gets.
    let properties = properties()
        .set_max_row_group_row_count(Some(rows as usize))
        .set_dictionary_page_size_limit(usize::MAX);
    write(file, properties, rows, |range| {
        let values = long_strings(range.map(|row| row % entries), ENTRY)?;
        batch_of(vec![("s".to_owned(), values)])
    })
}

pub(super) fn dictionary_statements(size: Size) -> Vec<Statement> {
    let entries = entries(size);
    over_strings(entries * ROWS_PER_ENTRY, entries, ENTRY)
}

/// The value of a column in a row. The first column is the number of the row.
fn wide_value(row: u64, column: u64) -> u64 {
    if column == 0 {
        row
    } else {
        (row * 31 + column * 17) % 1000
    }
}

pub(super) fn write_many_columns(file: &Path, size: Size) -> Result<()> {
    let columns = many(size);
    // Small pages, so that the writer has little of each of its columns at a time.
    let properties = properties()
        .set_max_row_group_row_count(Some(BATCH as usize))
        .set_data_page_row_count_limit(1024)
        .set_write_batch_size(1024);
    write(file, properties, WIDE_ROWS, |range| {
        let column = |column: u64| {
            let values = range.clone().map(|row| wide_value(row, column));
            (format!("c{column}"), numbers(values))
        };
        batch_of((0..columns).map(column).collect())
    })
}

pub(super) fn many_columns_statements(size: Size) -> Vec<Statement> {
    let columns = many(size);
    let maxima: Vec<_> = (0..columns)
        .map(|column| format!("max(c{column})"))
        .collect();
    let maximum = |column| match column {
        0 => WIDE_ROWS - 1,
        // 31 and 1000 have no common factor: a thousand rows and more have every value.
        _ => 999,
    };
    let last = |row: u64| {
        (0..columns)
            .map(|column| wide_value(row, column).to_string())
            .collect()
    };
    vec![
        Statement::new(
            "a maximum of each",
            format!("SELECT {} FROM t", maxima.join(", ")),
            &(0..columns).map(maximum).collect::<Vec<_>>(),
        ),
        Statement {
            name: "the last rows, whole",
            sql: "SELECT * FROM t ORDER BY c0 DESC LIMIT 3".into(),
            answer: (1..=3).map(|back| last(WIDE_ROWS - back)).collect(),
        },
    ]
}
