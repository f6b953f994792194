use std::collections::HashMap;
use std::fmt::Write;

use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::{cast, take_record_batch};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;

use super::cells::{Cells, Patterns};
use super::columns::without_views;
use super::failed::failed;
use crate::error::Error;
use crate::source::{partitions, type_in_spark};

/// Rows, and the directory that they go to.
pub(super) type Group = (String, RecordBatch);

/// The columns whose values become directories.
pub(super) struct PartitionBy {
    /// Where they are, and what the directories call them.
    columns: Vec<(usize, String)>,
    others: Vec<usize>,
    patterns: Patterns,
}

impl PartitionBy {
    /// # Errors
    /// If a column is not there, or none is left to be written.
    pub(super) fn new(schema: &Schema, names: &[String], time_zone: &str) -> Result<Self, Error> {
        let place = |name: &String| {
            let mut fields = schema.fields().iter();
            fields
                .position(|field| field.name().eq_ignore_ascii_case(name))
                .map(|at| (at, name.clone()))
                .ok_or_else(|| {
                    Error::Table(format!(
                        "there is no column {name} to partition by: there are {}",
                        schema
                            .fields()
                            .iter()
                            .map(|field| field.name().as_str())
                            .collect::<Vec<_>>()
                            .join(", ")
                    ))
                })
        };
        let columns: Vec<(usize, String)> = names.iter().map(place).collect::<Result<_, _>>()?;
        let others: Vec<usize> = (0..schema.fields().len())
            .filter(|at| columns.iter().all(|(column, _)| column != at))
            .collect();
        if schema.fields().is_empty() {
            return Err(Error::NotSupported(
                "rows without columns cannot be written".into(),
            ));
        }
        if others.is_empty() {
            return Err(Error::Table(
                "not all columns can be partition columns: one has to be in the files".into(),
            ));
        }
        Ok(Self {
            columns,
            others,
            patterns: Patterns::of_casts(time_zone)?,
        })
    }

    pub(super) fn contains(&self, column: usize) -> bool {
        !self.others.contains(&column)
    }

    /// The columns that are in the files.
    pub(super) fn others(&self) -> &[usize] {
        &self.others
    }

    /// Where the columns whose values become directories are.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|(at, _)| *at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The rows of a batch by the directory that they go to, in the order in which the directories come.
    ///
    /// # Errors
    /// If a column's values make no names.
    pub(super) fn split(&self, batch: &RecordBatch) -> Result<Vec<Group>, Error> {
        let cast = |(at, _): &(usize, String)| {
            let column = batch.column(*at);
            let data_type = without_views(&type_in_spark(column.data_type(), "UTC"));
            cast(column, &data_type).map_err(failed)
        };
        let columns = self
            .columns
            .iter()
            .map(cast)
            .collect::<Result<Vec<_>, _>>()?;
        let cells = columns.iter().map(|column| Cells::new(column));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut groups: Vec<(String, Vec<u32>)> = Vec::new();
        let mut directory = String::new();
        for row in 0..batch.num_rows() {
            directory.clear();
            self.directory(&cells, row, &mut directory);
            let place = match places.get(&directory) {
                Some(place) => *place,
                None => {
                    places.insert(directory.clone(), groups.len());
                    groups.push((directory.clone(), Vec::new()));
                    groups.len() - 1
                }
            };
            groups[place].1.push(row as u32);
        }
        if let [(directory, _)] = &mut groups[..] {
            return Ok(vec![(std::mem::take(directory), batch.clone())]);
        }
        let group = |(directory, rows)| {
            let rows = take_record_batch(batch, &UInt32Array::from(rows)).map_err(failed)?;
            Ok((directory, rows))
        };
        groups.into_iter().map(group).collect()
    }

    /// `a=1/b=x`, with the escapes of Hive.
    fn directory(&self, cells: &[Cells], row: usize, to: &mut String) {
        let mut value = String::new();
        for ((_, name), cells) in self.columns.iter().zip(cells) {
            if !to.is_empty() {
                to.push('/');
            }
            escape(name, to);
            to.push('=');
            value.clear();
            if !cells.is_null(row) {
                cells.write(row, &self.patterns, &mut value);
            }
            let is_time = matches!(cells, Cells::Timestamp(_) | Cells::TimestampNtz(_));
            if is_time && let Some((_, fraction)) = value.rsplit_once('.') {
                let zeros = fraction.len() - fraction.trim_end_matches('0').len();
                let point = usize::from(zeros == fraction.len());
                value.truncate(value.len() - zeros - point);
            }
            match value.as_str() {
                "" => to.push_str(partitions::NULL),
                value => escape(value, to),
            }
        }
    }
}

/// Appends a name as Hive escapes it: Spark's `ExternalCatalogUtils.escapePathName`.
fn escape(name: &str, to: &mut String) {
    for character in name.chars() {
        if character < ' ' || "\"#%'*/:=?\\\u{7f}{[]^".contains(character) {
            // Writing into a string cannot fail.
            let _ = write!(to, "%{:02X}", character as u32);
        } else {
            to.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, StringArray, TimestampNanosecondArray};

    use super::*;

    #[test]
    fn rows_go_to_directories_that_are_named_as_spark_names_them() {
        let strings = [
            Some("a b/c:d=e%f"),
            None,
            Some(""),
            Some("é{x}^[]\"'\\#?*\u{1}"),
        ];
        let times = [
            Some(1_704_164_645_500_000_000),
            Some(1_704_164_640_000_000_000),
            None,
            None,
        ];
        let batch = RecordBatch::try_from_iter([
            ("s", Arc::new(StringArray::from_iter(strings)) as ArrayRef),
            (
                "ts",
                Arc::new(TimestampNanosecondArray::from_iter(times).with_timezone("UTC")) as _,
            ),
            (
                "v",
                Arc::new(StringArray::from_iter_values(["1", "2", "3", "4"])) as _,
            ),
        ])
        .unwrap();
        let names = ["S".to_owned(), "ts".to_owned()];
        let partition_by = PartitionBy::new(&batch.schema(), &names, "UTC").unwrap();
        let split = partition_by.split(&batch).unwrap();
        let directories: Vec<&str> = split.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            directories,
            [
                "S=a b%2Fc%3Ad%3De%25f/ts=2024-01-02 03%3A04%3A05.5",
                "S=__HIVE_DEFAULT_PARTITION__/ts=2024-01-02 03%3A04%3A00",
                "S=__HIVE_DEFAULT_PARTITION__/ts=__HIVE_DEFAULT_PARTITION__",
                "S=é%7Bx}%5E%5B%5D%22%27%5C%23%3F%2A%01/ts=__HIVE_DEFAULT_PARTITION__",
            ]
        );
    }
}
