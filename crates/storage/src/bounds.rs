use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;
use plimsoll_exec::batches::owned;

/// Bounds longer than this are not kept.
const LONGEST: usize = 64;

/// The least and the greatest value of each column, and how many are NULL, block by block: Spark's `ColumnStatistics`.
pub(crate) struct Bounds {
    schema: SchemaRef,
    columns: Vec<ColumnBounds>,
    rows: ArrayRef,
}

struct ColumnBounds {
    least: Option<ArrayRef>,
    greatest: Option<ArrayRef>,
    nulls: ArrayRef,
}

/// Collects the bounds of blocks as they are made.
pub(crate) struct BoundsBuilder {
    schema: SchemaRef,
    columns: Vec<ColumnBuilder>,
    rows: Vec<u64>,
}

struct ColumnBuilder {
    data_type: DataType,
    least: Vec<ScalarValue>,
    greatest: Vec<ScalarValue>,
    nulls: Vec<u64>,
}

impl ColumnBuilder {
    fn add(&mut self, column: &ArrayRef) {
        self.nulls.push(column.logical_null_count() as u64);
        if !has_order(&self.data_type) {
            return;
        }
        self.least
            .push(bound(MinAccumulator::try_new(&self.data_type), column));
        self.greatest
            .push(bound(MaxAccumulator::try_new(&self.data_type), column));
    }

    fn build(self) -> ColumnBounds {
        let array = |values: Vec<ScalarValue>| match values.iter().all(ScalarValue::is_null) {
            true => None,
            // Without bounds nothing is passed over.
            false => ScalarValue::iter_to_array(values).and_then(tight).ok(),
        };
        ColumnBounds {
            least: array(self.least),
            greatest: array(self.greatest),
            nulls: Arc::new(UInt64Array::from(self.nulls)),
        }
    }
}

/// The array in no more memory than it needs.
pub(crate) fn tight(array: ArrayRef) -> datafusion::common::Result<ArrayRef> {
    let alone = RecordBatch::try_from_iter_with_nullable([("bound", array, true)])?;
    let tight = owned(alone.schema_ref(), std::slice::from_ref(&alone))?;
    Ok(Arc::clone(tight.column(0)))
}

/// The types that rows are commonly filtered by.
fn has_order(data_type: &DataType) -> bool {
    data_type.is_numeric()
        || data_type.is_temporal()
        || matches!(
            data_type,
            DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
}

/// What an accumulator makes of a column; NULL, which is unknown, where that is not there or too long.
fn bound<A: Accumulator>(
    accumulator: datafusion::common::Result<A>,
    column: &ArrayRef,
) -> ScalarValue {
    let value = accumulator.and_then(|mut accumulator| {
        accumulator.update_batch(std::slice::from_ref(column))?;
        accumulator.evaluate()
    });
    let is_long = |value: &ScalarValue| {
        value
            .try_as_str()
            .flatten()
            .is_some_and(|text| text.len() > LONGEST)
    };
    match value {
        Ok(value) if !is_long(&value) => value,
        _ => ScalarValue::try_from(column.data_type()).unwrap_or(ScalarValue::Null),
    }
}

impl BoundsBuilder {
    pub(crate) fn new(schema: &SchemaRef) -> Self {
        let fields = schema.fields().iter();
        Self {
            schema: Arc::clone(schema),
            columns: fields
                .map(|field| ColumnBuilder {
                    data_type: field.data_type().clone(),
                    least: Vec::new(),
                    greatest: Vec::new(),
                    nulls: Vec::new(),
                })
                .collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, block: &RecordBatch) {
        for (builder, column) in self.columns.iter_mut().zip(block.columns()) {
            builder.add(column);
        }
        self.rows.push(block.num_rows() as u64);
    }

    pub(crate) fn build(self) -> Bounds {
        Bounds {
            schema: self.schema,
            columns: self.columns.into_iter().map(ColumnBuilder::build).collect(),
            rows: Arc::new(UInt64Array::from(self.rows)),
        }
    }
}

impl Bounds {
    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> u64 {
        let column = |column: &ColumnBounds| {
            let ends = [&column.least, &column.greatest];
            let ends = ends.into_iter().flatten();
            ends.chain([&column.nulls])
                .map(|array| array.get_array_memory_size() as u64)
                .sum::<u64>()
        };
        self.columns.iter().map(column).sum()
    }

    fn column(&self, column: &Column) -> Option<&ColumnBounds> {
        let at = self.schema.index_of(&column.name).ok()?;
        self.columns.get(at)
    }
}

impl PruningStatistics for Bounds {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column)?.least.clone()
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column)?.greatest.clone()
    }

    fn num_containers(&self) -> usize {
        self.rows.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        Some(Arc::clone(&self.column(column)?.nulls))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::clone(&self.rows))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
