//! Answers, and whether two of them are the same.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::arrow::util::display::array_value_to_string;

/// The most rows of a difference that are told.
const TOLD: usize = 5;

/// The rows of a query, as bytes that are the same when the rows are.
pub struct Answer {
    schema: SchemaRef,
    converter: RowConverter,
    rows: Vec<Box<[u8]>>,
}

impl Answer {
    /// An answer without rows yet, of these columns.
    ///
    /// # Errors
    /// If a type has no form as bytes.
    pub fn new(schema: &SchemaRef) -> Result<Self> {
        let fields = schema.fields().iter();
        let fields: Vec<Field> = fields
            .map(|field| Field::new(field.name(), plain(field.data_type()), true))
            .collect();
        let types = fields
            .iter()
            .map(|field| SortField::new(field.data_type().clone()));
        Ok(Self {
            converter: RowConverter::new(types.collect())?,
            schema: Arc::new(Schema::new(fields)),
            rows: Vec::new(),
        })
    }

    /// Adds rows, whose types are made those of the answer.
    ///
    /// # Errors
    /// If they cannot be.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_columns() != self.schema.fields().len() {
            bail!(
                "{} columns in place of {}",
                batch.num_columns(),
                self.schema.fields().len()
            );
        }
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| cast(column, field.data_type()))
            .collect::<Result<_, _>>()
            .context("the types of an answer")?;
        let rows = self.converter.convert_columns(&columns)?;
        self.rows.extend(rows.iter().map(|row| row.as_ref().into()));
        Ok(())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// An answer of the same columns without rows.
    ///
    /// # Errors
    /// As [`Answer::new`].
    pub fn like(&self) -> Result<Self> {
        Self::new(&self.schema)
    }

    /// How `other` differs from this, which is right; none if it does not. Rows may come in any order,
    /// unless it is part of the question.
    pub fn difference(&self, other: &Answer, in_order: bool) -> Option<String> {
        let mut counts: HashMap<&[u8], i64> = HashMap::new();
        for row in &self.rows {
            *counts.entry(row).or_default() += 1;
        }
        for row in &other.rows {
            *counts.entry(row).or_default() -= 1;
        }
        counts.retain(|_, count| *count != 0);
        if !counts.is_empty() {
            return Some(self.tell(&counts, other.len()));
        }
        let first = self.rows.iter().zip(&other.rows).position(|(a, b)| a != b);
        first.filter(|_| in_order).map(|at| {
            let (right, wrong) = (self.text(&self.rows[at]), self.text(&other.rows[at]));
            format!(
                "the rows are right and their order is not: row {at} is {wrong} in place of {right}"
            )
        })
    }

    fn tell(&self, counts: &HashMap<&[u8], i64>, other_rows: usize) -> String {
        let mut rows: Vec<(&[u8], i64)> =
            counts.iter().map(|(row, count)| (*row, *count)).collect();
        rows.sort_unstable();
        let mut told = format!("{other_rows} rows in place of {}", self.len());
        for (what, sign) in [("missing", 1), ("too many", -1)] {
            let of_sign = rows.iter().filter(|(_, count)| count.signum() == sign);
            let sum: i64 = of_sign.clone().map(|(_, count)| count.abs()).sum();
            if sum > 0 {
                let _ = write!(told, "\n{sum} {what}, such as");
            }
            for (row, count) in of_sign.take(TOLD) {
                let _ = write!(told, "\n  {}", self.text(row));
                if count.abs() > 1 {
                    let _ = write!(told, "  ({} times)", count.abs());
                }
            }
        }
        told
    }

    fn text(&self, row: &[u8]) -> String {
        let parser = self.converter.parser();
        let Ok(columns) = self.converter.convert_rows([parser.parse(row)]) else {
            return "?".to_owned();
        };
        let texts = columns.iter().map(|column| match column.is_null(0) {
            true => "NULL".to_owned(),
            false => short(&array_value_to_string(column, 0).unwrap_or_default()),
        });
        format!("[{}]", texts.collect::<Vec<_>>().join(", "))
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// The type without what only says how the values lie in memory: dictionaries, views, wide offsets.
fn plain(data_type: &DataType) -> DataType {
    let of_field =
        |field: &Field| Arc::new(Field::new(field.name(), plain(field.data_type()), true));
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::List(item) | DataType::LargeList(item) => {
            DataType::new_list(plain(item.data_type()), true)
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| of_field(f)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Float64Array, Int32Array, Int64Array};

    fn answer(of: &Answer, values: &[Option<i32>]) -> Answer {
        let mut answer = of.like().unwrap();
        let column: ArrayRef = Arc::new(Int32Array::from(values.to_vec()));
        answer
            .add(&RecordBatch::try_from_iter([("x", column)]).unwrap())
            .unwrap();
        answer
    }

    #[test]
    fn rows_may_come_in_any_order_unless_it_is_asked_for() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
        let empty = Answer::new(&schema).unwrap();
        let right = answer(&empty, &[Some(1), None, Some(1)]);
        let other = answer(&empty, &[None, Some(1), Some(1)]);
        assert_eq!(right.difference(&other, false), None);
        let told = right.difference(&other, true).unwrap();
        assert!(told.contains("row 0 is [NULL] in place of [1]"), "{told}");
    }

    #[test]
    fn a_difference_tells_the_rows() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
        let empty = Answer::new(&schema).unwrap();
        let right = answer(&empty, &[Some(1), Some(1), Some(2)]);
        let wrong = answer(&empty, &[Some(1), Some(3), Some(2)]);
        let told = right.difference(&wrong, false).unwrap();
        assert_eq!(
            told,
            "3 rows in place of 3\n1 missing, such as\n  [1]\n1 too many, such as\n  [3]"
        );
    }

    #[test]
    fn nan_equals_nan_and_minus_zero_is_not_zero() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]));
        let of = |values: [f64; 2]| {
            let mut answer = Answer::new(&schema).unwrap();
            let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
            answer
                .add(&RecordBatch::try_from_iter([("x", column)]).unwrap())
                .unwrap();
            answer
        };
        assert_eq!(
            of([f64::NAN, 0.0]).difference(&of([0.0, f64::NAN]), false),
            None
        );
        assert!(of([-0.0, 1.0]).difference(&of([0.0, 1.0]), false).is_some());
    }

    #[test]
    fn an_answer_of_other_columns_is_an_error() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
        let mut answer = Answer::new(&schema).unwrap();
        let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let two = RecordBatch::try_from_iter([("x", Arc::clone(&one)), ("y", one)]).unwrap();
        assert!(answer.add(&two).is_err());
    }
}
