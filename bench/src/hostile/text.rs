//! JSON and CSV: values that are a large part of the memory that they are read into, and depth.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;

use super::{Size, Statement};

/// Short rows before and after the long one.
const SHORT_ROWS: u64 = 1000;

/// A piece of a long value. Neither format has to quote anything in it.
const PIECE: &str = "All that one row can hold is more than a reader expects to hold. ";

pub(super) fn value_bytes(size: Size) -> u64 {
    size.of(200_000_000)
}

pub(super) fn depth(size: Size) -> u64 {
    size.of(100_000)
}

fn write_value(writer: &mut impl Write, bytes: u64) -> Result<()> {
    let whole = bytes / PIECE.len() as u64;
    for _ in 0..whole {
        writer.write_all(PIECE.as_bytes())?;
    }
    let rest = (bytes % PIECE.len() as u64) as usize;
    Ok(writer.write_all(&PIECE.as_bytes()[..rest])?)
}

pub(super) fn write_json_line(file: &Path, size: Size) -> Result<()> {
    let mut writer = BufWriter::new(File::create(file)?);
    for id in 0..=2 * SHORT_ROWS {
        write!(writer, "{{\"id\":{id},\"s\":\"")?;
        write_value(&mut writer, length(id, size))?;
        writeln!(writer, "\"}}")?;
    }
    Ok(writer.flush()?)
}

pub(super) fn write_csv_field(file: &Path, size: Size) -> Result<()> {
    let mut writer = BufWriter::new(File::create(file)?);
    writeln!(writer, "id,s")?;
    for id in 0..=2 * SHORT_ROWS {
        write!(writer, "{id},\"")?;
        write_value(&mut writer, length(id, size))?;
        writeln!(writer, "\"")?;
    }
    Ok(writer.flush()?)
}

/// The characters of `s` in a row: the long value stands in the middle.
fn length(id: u64, size: Size) -> u64 {
    if id == SHORT_ROWS {
        value_bytes(size)
    } else {
        PIECE.len() as u64
    }
}

pub(super) fn long_value_statements(size: Size) -> Vec<Statement> {
    let rows = 2 * SHORT_ROWS + 1;
    let characters: u64 = (0..rows).map(|id| length(id, size)).sum();
    let counted = [rows, characters, value_bytes(size)];
    vec![
        Statement::new(
            "count and lengths",
            "SELECT count(*), sum(length(s)), max(length(s)) FROM t",
            &counted,
        ),
        Statement::new(
            "order by it",
            "SELECT count(*), sum(CASE WHEN before > s THEN 1 ELSE 0 END) FROM \
             (SELECT s, lag(s) OVER (ORDER BY s) AS before FROM t)",
            &[rows, 0],
        ),
        Statement::new(
            "group by it",
            "SELECT count(*), sum(n), max(length(s)) FROM (SELECT s, count(*) AS n FROM t GROUP BY s)",
            // All short values are alike.
            &[2, rows, value_bytes(size)],
        ),
    ]
}

/// A depth that readers take; Spark's goes to 1000.
fn allowed_depth(size: Size) -> u64 {
    (depth(size) / 200).max(1)
}

pub(super) fn write_deep(file: &Path, size: Size) -> Result<()> {
    let mut writer = BufWriter::new(File::create(file)?);
    for (id, depth) in [(1, allowed_depth(size)), (2, depth(size))] {
        write!(writer, "{{\"id\":{id},\"a\":")?;
        for _ in 0..depth {
            write!(writer, "{{\"a\":")?;
        }
        write!(writer, "1")?;
        for _ in 0..depth {
            write!(writer, "}}")?;
        }
        writeln!(writer, "}}")?;
    }
    Ok(writer.flush()?)
}

pub(super) fn deep_statements(size: Size) -> Vec<Statement> {
    // A line that is nested too deep is a corrupt record: a row without values.
    let ids = if depth(size) > 1000 { 1 } else { 3 };
    vec![
        Statement::new("count", "SELECT count(*), sum(id) FROM t", &[2, ids]),
        Statement::new(
            "group by it",
            "SELECT count(*), sum(n) FROM (SELECT a, count(*) AS n FROM t GROUP BY a)",
            &[2, 2],
        ),
    ]
}
