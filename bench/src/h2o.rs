//! The data of H2O.ai's benchmark of databases (<https://h2oai.github.io/db-benchmark>), after its description, and the
//! questions that stand in `bench/h2o`.
//!
//! `x` is what is grouped (its `G1` with 100 groups in the small columns); `fact`, `small`, `medium` and `big` are what is
//! joined, nine tenths of whose keys have a partner; windows run over `big`. A question's answer is sums over all its
//! columns, which need no order and bring every value into the answer.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;

use crate::hostile::random;
use crate::made;

/// Rows of the large tables.
pub const ROWS: u64 = 10_000_000;

/// Groups in the columns that have few.
const FEW: u64 = 100;

/// A number from 1 to `most`, at a place of the sequence `column`.
fn number(column: u64, place: u64, most: u64) -> i64 {
    (random::at(place.wrapping_add(column << 40)) % most) as i64 + 1
}

/// A number from 0 to 100 with six decimal places.
fn fraction(column: u64, place: u64) -> f64 {
    number(column, place, 100_000_000) as f64 / 1e6
}

fn numbers(places: &Range<u64>, value: impl Fn(u64) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(places.clone().map(value)))
}

fn fractions(places: &Range<u64>, column: u64) -> ArrayRef {
    let values = places.clone().map(|place| fraction(column, place));
    Arc::new(Float64Array::from_iter_values(values))
}

/// `id` and the number, with zeros before it.
fn names(places: &Range<u64>, digits: usize, value: impl Fn(u64) -> i64) -> ArrayRef {
    let names = places
        .clone()
        .map(|place| format!("id{:0digits$}", value(place)));
    Arc::new(StringArray::from_iter_values(names))
}

/// The table that is grouped.
fn grouped(places: Range<u64>, rows: u64) -> Result<RecordBatch> {
    let few = FEW.min(rows);
    let many = (rows / few).max(1);
    Ok(RecordBatch::try_from_iter([
        ("id1", names(&places, 3, |place| number(1, place, few))),
        ("id2", names(&places, 3, |place| number(2, place, few))),
        ("id3", names(&places, 10, |place| number(3, place, many))),
        ("id4", numbers(&places, |place| number(4, place, few))),
        ("id5", numbers(&places, |place| number(5, place, few))),
        ("id6", numbers(&places, |place| number(6, place, many))),
        ("v1", numbers(&places, |place| number(7, place, 5))),
        ("v2", numbers(&places, |place| number(8, place, 15))),
        ("v3", fractions(&places, 9)),
    ])?)
}

/// The sizes of the tables that are joined: a row for each million, each thousand, and each row of the large one.
fn sizes(rows: u64) -> [u64; 3] {
    [(rows / 1_000_000).max(1), (rows / 1000).max(1), rows]
}

/// The key of a row in a table whose keys are all different. One in ten is none of another table's.
fn key(place: u64, size: u64) -> i64 {
    let unknown = place % 10 == 9;
    (place + if unknown { size } else { 0 }) as i64 + 1
}

/// The large table that is joined with others.
fn fact(places: Range<u64>, rows: u64) -> Result<RecordBatch> {
    let [small, medium, big] = sizes(rows);
    Ok(RecordBatch::try_from_iter([
        ("id1", numbers(&places, |place| number(11, place, small))),
        ("id2", numbers(&places, |place| number(12, place, medium))),
        ("id3", numbers(&places, |place| number(13, place, big))),
        ("id4", names(&places, 0, |place| number(11, place, small))),
        ("id5", names(&places, 0, |place| number(12, place, medium))),
        ("id6", names(&places, 0, |place| number(13, place, big))),
        ("v1", fractions(&places, 14)),
    ])?)
}

/// One of the three that it is joined with. The smaller ones lack the columns of the larger.
fn right(places: Range<u64>, rows: u64, which: usize) -> Result<RecordBatch> {
    let sizes = sizes(rows);
    let own = sizes[which];
    // The table's own key comes once, those of smaller tables at random.
    let value = |column: usize, place: u64| match column == which {
        true => key(place, own),
        false => number(20 + column as u64, place, sizes[column]),
    };
    let mut columns = Vec::new();
    for (column, name) in ["id1", "id2", "id3"]
        .into_iter()
        .enumerate()
        .take(which + 1)
    {
        columns.push((name, numbers(&places, |place| value(column, place))));
    }
    for (column, name) in ["id4", "id5", "id6"]
        .into_iter()
        .enumerate()
        .take(which + 1)
    {
        columns.push((name, names(&places, 0, |place| value(column, place))));
    }
    columns.push(("v2", fractions(&places, 15)));
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn write(directory: &Path, rows: u64) -> Result<()> {
    made::table(directory, "x", rows, |places| grouped(places, rows))?;
    made::table(directory, "fact", rows, |places| fact(places, rows))?;
    for (which, name) in ["small", "medium", "big"].into_iter().enumerate() {
        made::table(directory, name, sizes(rows)[which], |places| {
            right(places, rows, which)
        })?;
    }
    Ok(())
}

/// Makes sure that the tables exist below `parent`, and returns their directory, for `--tables`.
///
/// # Errors
/// When they cannot be written.
pub fn ensure(parent: &Path, rows: u64) -> Result<PathBuf> {
    let directory = parent.join(format!("rows-{rows}"));
    made::ensure(&directory, &format!("tables of {rows} rows"), |directory| {
        write(directory, rows)
    })?;
    Ok(directory)
}

/// The questions: their names, in order, and their SQL.
///
/// # Errors
/// When they cannot be read.
pub fn questions() -> Result<Vec<(String, String)>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("h2o");
    let cannot = || format!("cannot read {}", directory.display());
    let mut questions = Vec::new();
    for entry in fs::read_dir(&directory).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let sql = fs::read_to_string(&path).with_context(cannot)?;
        questions.push((name.into_owned(), sql));
    }
    questions.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(questions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use std::collections::HashSet;

    fn keys(batch: &RecordBatch, column: &str) -> Vec<i64> {
        let column = batch.column_by_name(column).unwrap();
        column.as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn most_keys_have_a_partner_and_some_have_none() {
        let rows = 10_000;
        let fact = fact(0..rows, rows).unwrap();
        let big = right(0..rows, rows, 2).unwrap();
        let known: HashSet<i64> = keys(&big, "id3").into_iter().collect();
        assert_eq!(known.len(), rows as usize);
        let partners = keys(&fact, "id3");
        let partners = partners.iter().filter(|key| known.contains(key)).count();
        assert!((8_500..9_500).contains(&partners), "{partners}");
    }

    #[test]
    fn groups_are_as_many_as_they_should_be() {
        let x = grouped(0..10_000, 10_000).unwrap();
        let groups: HashSet<i64> = keys(&x, "id4").into_iter().collect();
        assert_eq!(groups.len(), 100);
        assert_eq!(
            x.column_by_name("id1")
                .unwrap()
                .as_string::<i32>()
                .value(0)
                .len(),
            5
        );
    }

    #[test]
    fn each_question_has_a_name_and_text() {
        let questions = questions().unwrap();
        assert!(questions.len() > 20);
        for (name, sql) in questions {
            assert!(
                !name.is_empty() && sql.to_lowercase().contains("select"),
                "{name}"
            );
        }
    }
}
