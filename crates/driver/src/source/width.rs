use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::stats::Precision;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use super::budget::ScanBudget;
use crate::operators::visit;

/// Bytes of a text whose column nobody knows.
const TEXT: usize = 24;

/// Values of a list or map of which nobody knows how many it has.
const ITEMS: usize = 4;

/// How a plan has to be cut so that it fits: with few columns as it is, with thousands in batches of
/// fewer rows and in fewer partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Rows in a batch.
    pub(crate) rows: usize,
    /// Partitions at a time.
    pub(crate) partitions: usize,
}

impl Cut {
    /// The cut for this plan in this budget; at most what is there already.
    ///
    /// A batch is bounded in bytes by the widest rows of all operators, since any of them may gather rows
    /// to a batch. Texts are as long as they are on average in the Parquet files; fewer than 8 rows are
    /// not asked for, however long.
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>, budget: ScanBudget, most: Self) -> Self {
        let mut texts = HashMap::new();
        let mut columns = 0;
        visit(plan, &mut |node| {
            if node.is::<DataSourceExec>() {
                columns = columns.max(node.schema().fields().len());
                learn(node, &mut texts);
            }
        });
        let mut widest = 1;
        visit(plan, &mut |node| {
            widest = widest.max(row_width(&node.schema(), &texts));
        });
        Self {
            rows: most.rows.min((budget.batch() / widest).max(8)),
            partitions: most.partitions.min(budget.partitions(columns)),
        }
    }
}

/// Learns how long the texts of a scan are, by the names of their columns.
fn learn(scan: &Arc<dyn ExecutionPlan>, texts: &mut HashMap<String, usize>) {
    let Ok(statistics) = StatisticsContext::new().compute(scan.as_ref(), &StatisticsArgs::new())
    else {
        return;
    };
    let Some(&rows) = statistics.num_rows.get_value().filter(|rows| **rows > 0) else {
        return;
    };
    for (field, column) in scan
        .schema()
        .fields()
        .iter()
        .zip(&statistics.column_statistics)
    {
        if let Precision::Exact(bytes) | Precision::Inexact(bytes) = column.byte_size {
            let mean = texts.entry(field.name().clone()).or_insert(0);
            *mean = (*mean).max(bytes / rows);
        }
    }
}

/// Bytes of a row with these columns, about.
pub(super) fn row_width(schema: &Schema, texts: &HashMap<String, usize>) -> usize {
    let widths = schema.fields().iter().map(|field| width(field, texts));
    widths.fold(0, usize::saturating_add)
}

fn width(field: &Field, texts: &HashMap<String, usize>) -> usize {
    let known = texts.get(field.name()).copied();
    match field.data_type() {
        data_type if data_type.primitive_width().is_some() => {
            data_type.primitive_width().unwrap_or(8)
        }
        DataType::Null | DataType::Boolean => 1,
        DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).unwrap_or(0),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
            8 + known.unwrap_or(TEXT)
        }
        DataType::Utf8View | DataType::BinaryView => 16 + known.unwrap_or(TEXT),
        DataType::Struct(fields) => {
            let none = HashMap::new();
            let within = fields.iter().map(|field| width(field, &none));
            known
                .unwrap_or(0)
                .max(within.fold(0, usize::saturating_add))
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            let items = ITEMS.saturating_mul(width(item, &HashMap::new()));
            8 + known.unwrap_or(items)
        }
        _ => known.unwrap_or(TEXT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::physical_plan::empty::EmptyExec;

    fn cut(columns: usize, data_type: &DataType, memory: u64) -> Cut {
        let fields = (0..columns).map(|at| Field::new(format!("c{at}"), data_type.clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let plan: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(Arc::new(schema)));
        let most = Cut {
            rows: 8192,
            partitions: 4,
        };
        Cut::of(&plan, ScanBudget::new(memory), most)
    }

    #[test]
    fn wide_rows_make_batches_of_fewer_rows() {
        assert_eq!(cut(16, &DataType::Int64, 512 << 20).rows, 8192);
        assert_eq!(cut(5000, &DataType::Int64, 512 << 20).rows, 209);
        assert_eq!(cut(5000, &DataType::Utf8View, 512 << 20).rows, 41);
        assert_eq!(cut(500_000, &DataType::Int64, 512 << 20).rows, 8);
    }
}
