//! What makes two tables the same one.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::functions_table::generate_series::GenerateSeriesTable;
use datafusion::logical_expr::TableSource;

use crate::source::{FileIdentity, FileTable};

/// What makes two tables the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum SourceIdentity {
    /// Files: paths, and how they are read. What is in them may change, which is what REFRESH is for.
    Files(FileIdentity),
    /// Rows in memory: these rows.
    Rows(Rows),
    /// The numbers or times of a series: its bounds, as text.
    Series(String),
    /// Any other table: that it is the same one.
    Table(Same<dyn TableProvider>),
    /// A table that only its own planner knows.
    Source(Same<dyn TableSource>),
}

impl SourceIdentity {
    /// The identity of a table; none if it is one of rows that are just being written.
    pub(super) fn of_table(table: &Arc<dyn TableProvider>) -> Option<Self> {
        if let Some(table) = table.downcast_ref::<FileTable>() {
            return Some(Self::Files(table.identity()));
        }
        if let Some(table) = table.downcast_ref::<MemTable>() {
            return Rows::of(table).map(Self::Rows);
        }
        if let Some(series) = table.downcast_ref::<GenerateSeriesTable>() {
            // It keeps its bounds to itself, but prints all of them.
            return Some(Self::Series(format!("{series:?}")));
        }
        Some(Self::Table(Same(Arc::clone(table))))
    }

    pub(super) fn of_source(source: &Arc<dyn TableSource>) -> Self {
        Self::Source(Same(Arc::clone(source)))
    }
}

/// Something that equals nothing but itself. It is held on to, so that nothing else comes to be at its address.
pub(crate) struct Same<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Same<T> {
    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>() as usize
    }
}

impl<T: ?Sized> Clone for Same<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> fmt::Debug for Same<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address())
    }
}

impl<T: ?Sized> PartialEq for Same<T> {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl<T: ?Sized> Eq for Same<T> {}

impl<T: ?Sized> Hash for Same<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

/// Rows in memory: PySpark's local rows are a table of their own in every request. They count as they are
/// cut into batches, by their values; how columns are called does not.
#[derive(Clone)]
pub(crate) struct Rows {
    types: Vec<DataType>,
    partitions: Vec<Vec<RecordBatch>>,
}

/// How many rows of a batch go into a hash: enough to tell most tables apart, and not the time to read all.
const HASHED: usize = 8;

impl Rows {
    fn of(table: &MemTable) -> Option<Self> {
        let batches = table.batches.iter();
        let batches = batches.map(|batches| Some(batches.try_read().ok()?.clone()));
        let schema = table.schema();
        let fields = schema.fields().iter();
        Some(Self {
            types: fields.map(|field| field.data_type().clone()).collect(),
            partitions: batches.collect::<Option<_>>()?,
        })
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batches = self.partitions.iter().flatten();
        let rows: usize = batches.map(RecordBatch::num_rows).sum();
        write!(f, "{rows} rows of {:?}", self.types)
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        let same_column =
            |(ours, theirs): (&ArrayRef, &ArrayRef)| Arc::ptr_eq(ours, theirs) || ours == theirs;
        let same_batch = |(ours, theirs): (&RecordBatch, &RecordBatch)| {
            let (columns, others) = (ours.columns(), theirs.columns());
            ours.num_rows() == theirs.num_rows()
                && columns.len() == others.len()
                && columns.iter().zip(others).all(same_column)
        };
        let same_partition = |(ours, theirs): (&Vec<_>, &Vec<_>)| {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(same_batch)
        };
        let (ours, theirs) = (&self.partitions, &other.partitions);
        self.types == other.types
            && ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(same_partition)
    }
}

impl Eq for Rows {}

impl Hash for Rows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.types.hash(state);
        for batch in self.partitions.iter().flatten() {
            let rows = batch.num_rows();
            rows.hash(state);
            for column in batch.columns() {
                for row in (0..rows).take(HASHED) {
                    ScalarValue::try_from_array(column, row).ok().hash(state);
                }
            }
        }
    }
}
