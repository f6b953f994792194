//! The answers of `spark.catalog` as tables: the schemas of Spark's `org.apache.spark.sql.catalog`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, ListArray, RecordBatch, StringArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};

use crate::error::Error;
use crate::frame::Column;
use crate::plan::field;
use crate::types;

use super::CATALOG;

/// An answer, not yet a table.
pub(super) enum Answer {
    /// Nothing to tell.
    Done,
    Flag(bool),
    Text(&'static str),
    Catalogs(Vec<String>),
    /// Names, and where they would be.
    Databases(Vec<String>, String),
    Tables(Vec<String>),
    Columns(Vec<ColumnRow>),
    Functions(Vec<FunctionRow>),
}

pub(super) struct ColumnRow {
    name: String,
    data_type: String,
    nullable: bool,
}

pub(super) struct FunctionRow {
    pub(super) name: String,
    pub(super) description: Option<String>,
}

impl ColumnRow {
    pub(super) fn of(column: &Column) -> Self {
        Self {
            name: column.name.clone(),
            data_type: types::simple_string(column.field.data_type()),
            nullable: column.field.is_nullable(),
        }
    }
}

impl Answer {
    pub(super) fn into_batch(self) -> Result<RecordBatch, Error> {
        match self {
            Self::Done => {
                let nothing: ArrayRef = Arc::new(StringArray::from_iter_values([""; 0]));
                table(vec![(field("value", DataType::Utf8, false), nothing)])
            }
            Self::Flag(flag) => table(vec![flags("value", [flag])]),
            Self::Text(text) => table(vec![texts("value", [Some(text)])]),
            Self::Catalogs(names) => table(vec![
                texts("name", names.iter().map(Some)),
                texts("description", names.iter().map(|_| None::<&str>)),
            ]),
            Self::Databases(names, location) => table(vec![
                texts("name", names.iter().map(Some)),
                texts("catalog", names.iter().map(|_| Some(CATALOG))),
                texts(
                    "description",
                    names.iter().map(|name| Some(format!("{name} database"))),
                ),
                texts("locationUri", names.iter().map(|_| Some(&location))),
            ]),
            Self::Tables(names) => table(vec![
                texts("name", names.iter().map(Some)),
                texts("catalog", names.iter().map(|_| None::<&str>)),
                namespace(names.len(), true)?,
                texts("description", names.iter().map(|_| None::<&str>)),
                texts("tableType", names.iter().map(|_| Some("TEMPORARY"))),
                flags("isTemporary", names.iter().map(|_| true)),
            ]),
            Self::Columns(columns) => columns_table(&columns),
            Self::Functions(functions) => functions_table(&functions),
        }
    }
}

fn columns_table(columns: &[ColumnRow]) -> Result<RecordBatch, Error> {
    let no = || columns.iter().map(|_| false);
    table(vec![
        texts("name", columns.iter().map(|column| Some(&column.name))),
        texts("description", columns.iter().map(|_| None::<&str>)),
        texts(
            "dataType",
            columns.iter().map(|column| Some(&column.data_type)),
        ),
        flags("nullable", columns.iter().map(|column| column.nullable)),
        flags("isPartition", no()),
        flags("isBucket", no()),
        flags("isCluster", no()),
    ])
}

/// The functions have no class to be named: they are none of Java's.
fn functions_table(functions: &[FunctionRow]) -> Result<RecordBatch, Error> {
    let none = || functions.iter().map(|_| None::<&str>);
    table(vec![
        texts(
            "name",
            functions.iter().map(|function| Some(&function.name)),
        ),
        texts("catalog", none()),
        namespace(functions.len(), false)?,
        texts(
            "description",
            functions
                .iter()
                .map(|function| function.description.as_ref()),
        ),
        texts("className", none()),
        flags("isTemporary", functions.iter().map(|_| true)),
    ])
}

fn table(columns: Vec<(Field, ArrayRef)>) -> Result<RecordBatch, Error> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn texts<T: AsRef<str>>(
    name: &str,
    values: impl IntoIterator<Item = Option<T>>,
) -> (Field, ArrayRef) {
    let array: StringArray = values.into_iter().collect();
    (field(name, DataType::Utf8, true), Arc::new(array))
}

fn flags(name: &str, values: impl IntoIterator<Item = bool>) -> (Field, ArrayRef) {
    let array = BooleanArray::from(values.into_iter().collect::<Vec<_>>());
    (field(name, DataType::Boolean, false), Arc::new(array))
}

/// The namespaces of what is temporary: empty, or not even that.
fn namespace(count: usize, is_there: bool) -> Result<(Field, ArrayRef), Error> {
    let item: FieldRef = Arc::new(Field::new("element", DataType::Utf8, true));
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(0, count));
    let nulls = (!is_there).then(|| NullBuffer::new_null(count));
    let nothing: ArrayRef = Arc::new(StringArray::from_iter_values([""; 0]));
    let array: ArrayRef = Arc::new(ListArray::try_new(item, offsets, nothing, nulls)?);
    Ok((field("namespace", array.data_type().clone(), true), array))
}
