//! Answers as text, and whether two of them are the same.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// How far numbers may be apart, in parts of their size: averages are doubles in one engine and decimals in the other.
const RELATIVE: f64 = 1e-6;

/// Rows of text.
pub type Answer = Vec<Vec<String>>;

/// Reads an answer from a file of comma-separated values with a line of names.
///
/// # Errors
/// When the file cannot be read.
pub fn recorded(file: &Path) -> Result<Answer> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(parse(&text))
}

/// The rows of comma-separated values below a line of names. Values may be quoted; none may hold a newline.
pub fn parse(csv: &str) -> Answer {
    csv.lines().skip(1).map(fields).collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // A quote within quotes is written twice.
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(c),
        }
    }
    fields.push(field);
    fields
}

/// The first difference between two answers; `None` when they are the same.
///
/// Rows have to come in the same order, or, where `sql` orders them by some columns only, in an order that those columns
/// allow.
pub fn difference(ours: &Answer, theirs: &Answer, names: &[&str], sql: &str) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} rows instead of {}", ours.len(), theirs.len()));
    }
    let unlike = first_unlike(ours, theirs, None)?;
    let ordered = order_columns(sql, names);
    if let Some(unlike) = first_unlike(ours, theirs, Some(&ordered)) {
        return Some(unlike);
    }
    // Ties may come in any order.
    let sorted = |answer: &Answer| {
        let mut answer = answer.clone();
        answer.sort_by_cached_key(|row| row.iter().map(|cell| key(cell)).collect::<Vec<_>>());
        answer
    };
    first_unlike(&sorted(ours), &sorted(theirs), None).map(|_| unlike)
}

/// The first pair of rows that differ, in these columns or in any.
fn first_unlike(ours: &Answer, theirs: &Answer, columns: Option<&[usize]>) -> Option<String> {
    let alike = |ours: &[String], theirs: &[String]| match columns {
        None => ours.iter().zip(theirs).all(|(a, b)| same(a, b)),
        Some(columns) => columns.iter().all(|&at| same(&ours[at], &theirs[at])),
    };
    let mut pairs = ours.iter().zip(theirs);
    let (ours, theirs) =
        pairs.find(|(ours, theirs)| ours.len() != theirs.len() || !alike(ours, theirs))?;
    Some(format!("{} instead of {}", told(ours), told(theirs)))
}

/// A row in a few words; some have thousands of columns.
fn told(row: &[String]) -> String {
    const MOST: usize = 8;
    let cells = row
        .iter()
        .take(MOST)
        .map(|cell| cell.chars().take(60).collect::<String>());
    let more = if row.len() > MOST { ", …" } else { "" };
    format!("({}{more})", cells.collect::<Vec<_>>().join(", "))
}

fn same(ours: &str, theirs: &str) -> bool {
    if ours == theirs {
        return true;
    }
    match (ours.parse::<f64>(), theirs.parse::<f64>()) {
        // Whole numbers and amounts of money are exact in every engine, but for zeros at their end.
        (Ok(_), Ok(_)) if is_exact(ours) && is_exact(theirs) => exact(ours) == exact(theirs),
        (Ok(ours), Ok(theirs)) => (ours - theirs).abs() <= RELATIVE * theirs.abs().max(1.0),
        _ => false,
    }
}

/// Whether a number has no more decimal places than sums and products of TPC-H's decimals have.
fn is_exact(number: &str) -> bool {
    const PLACES: usize = 4;
    let places = number.split_once('.').map_or(0, |(_, places)| places.len());
    places <= PLACES && !number.contains(['e', 'E'])
}

fn exact(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// A number by six digits of it, so that those which differ by less are sorted alike; other text as it is.
fn key(cell: &str) -> String {
    match cell.parse::<f64>() {
        Ok(number) if number.fract() != 0.0 => format!("{number:.5e}"),
        Ok(number) => format!("{number}"),
        Err(_) => cell.to_owned(),
    }
}

/// The places of the columns that the last ORDER BY of a query names.
fn order_columns(sql: &str, names: &[&str]) -> Vec<usize> {
    let sql = sql.to_lowercase();
    let Some(at) = sql.rfind("order by") else {
        return Vec::new();
    };
    let clause = &sql[at + "order by".len()..];
    let clause = clause.split("limit").next().unwrap_or(clause);
    let items = clause
        .trim_end()
        .trim_end_matches(';')
        .split(',')
        .filter_map(|item| item.split_whitespace().next());
    items
        .filter_map(|item| {
            names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(item))
        })
        .collect()
}

/// The names in the first line of comma-separated values.
pub fn names(csv: &str) -> Vec<&str> {
    csv.lines().next().unwrap_or_default().split(',').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["a", "b"];

    fn compared(ours: &str, theirs: &str) -> Option<String> {
        let header = |rows: &str| format!("a,b\n{rows}");
        let (ours, theirs) = (parse(&header(ours)), parse(&header(theirs)));
        difference(
            &ours,
            &theirs,
            &NAMES,
            "select a, b from t order by a desc limit 9",
        )
    }

    #[test]
    fn numbers_may_differ_in_their_last_digits_and_text_may_not() {
        assert_eq!(compared("1.5,x", "1.50000001,x"), None);
        assert!(compared("1.5,x", "1.6,x").is_some());
        assert!(compared("6000000,x", "6000001,x").is_some());
        assert!(compared("60000000.25,x", "60000000.26,x").is_some());
        assert_eq!(compared("60000000.50,x", "60000000.5,x"), None);
        assert!(compared("1,x", "1,y").is_some());
        assert!(compared("1,x\n2,y", "1,x").is_some());
    }

    #[test]
    fn ties_may_come_in_any_order_and_other_rows_may_not() {
        assert_eq!(compared("1,x\n1,y", "1,y\n1,x"), None);
        assert!(compared("1,x\n2,y", "2,y\n1,x").is_some());
        assert!(compared("1,x\n1,x", "1,y\n1,x").is_some());
    }

    #[test]
    fn quoted_fields_hold_commas_and_quotes() {
        assert_eq!(fields("\"a, \"\"b\"\"\",,c"), ["a, \"b\"", "", "c"]);
    }
}
