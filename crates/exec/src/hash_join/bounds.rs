use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_expr_common::utils::evaluate_expressions_to_arrays;

use super::members::{Rest, Sketch};

/// What is known of the join keys of build rows, for the filter that the scan of the probe side gets.
pub(crate) struct Bounds {
    keys: Vec<PhysicalExprRef>,
    extremes: Vec<Option<(MinAccumulator, MaxAccumulator)>>,
    has_rows: bool,
    has_null: bool,
    /// The first key's values, while they are few.
    values: Option<Vec<ArrayRef>>,
    few: Few,
    sketch: Sketch,
}

/// How many values are few: DataFusion's limits for a filter by a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Few {
    pub(crate) values: usize,
    pub(crate) bytes: usize,
}

/// What was seen of the keys.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) has_rows: bool,
    pub(crate) has_null: bool,
    /// The least and the greatest of each key, where they are comparable.
    pub(crate) extremes: Vec<Option<(ScalarValue, ScalarValue)>>,
    /// All values, of a join on one key, if they are few.
    pub(crate) values: Option<Vec<ArrayRef>>,
    /// The keys that are not in the filter that all partitions share; `None` if some are in neither.
    pub(crate) rest: Option<Rest>,
}

impl Bounds {
    pub(crate) fn new(
        keys: &[PhysicalExprRef],
        schema: &SchemaRef,
        few: Few,
        sketch: Sketch,
    ) -> Result<Self> {
        let extremes = keys
            .iter()
            .map(|key| {
                let data_type = key.data_type(schema)?;
                is_ordered(&data_type)
                    .then(|| {
                        Ok((
                            MinAccumulator::try_new(&data_type)?,
                            MaxAccumulator::try_new(&data_type)?,
                        ))
                    })
                    .transpose()
            })
            .collect::<Result<_>>()?;
        // A list tells -0.0 from 0.0, and a join does not.
        let is_listed = |data_type: DataType| is_ordered(&data_type) && !data_type.is_floating();
        let lists = keys.len() == 1 && is_listed(keys[0].data_type(schema)?);
        Ok(Self {
            keys: keys.to_vec(),
            extremes,
            has_rows: false,
            has_null: false,
            values: lists.then(Vec::new),
            few,
            sketch,
        })
    }

    pub(crate) fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = evaluate_expressions_to_arrays(&self.keys, batch)?;
        self.has_rows |= batch.num_rows() > 0;
        for (column, extremes) in columns.iter().zip(&mut self.extremes) {
            self.has_null |= column.logical_null_count() > 0;
            if let Some((least, greatest)) = extremes {
                least.update_batch(std::slice::from_ref(column))?;
                greatest.update_batch(std::slice::from_ref(column))?;
            }
        }
        self.sketch.update(&columns)?;
        if let (Some(values), [column]) = (&mut self.values, columns.as_slice()) {
            values.push(column.clone());
            let count: usize = values.iter().map(|column| column.len()).sum();
            let bytes: usize = values
                .iter()
                .map(|column| column.get_array_memory_size())
                .sum();
            if count > self.few.values || bytes > self.few.bytes {
                self.values = None;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Seen> {
        let extremes = self.extremes.into_iter().map(|extremes| {
            extremes
                .map(|(mut least, mut greatest)| Ok((least.evaluate()?, greatest.evaluate()?)))
                .transpose()
        });
        Ok(Seen {
            has_rows: self.has_rows,
            has_null: self.has_null,
            extremes: extremes.collect::<Result<_>>()?,
            values: self.values,
            rest: self.sketch.finish(),
        })
    }
}

/// Whether values can be compared with `<=` in a filter.
fn is_ordered(data_type: &DataType) -> bool {
    data_type.is_numeric()
        || data_type.is_temporal()
        || matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean
        )
}
