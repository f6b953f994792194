use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::work_table::WorkTableExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use datafusion_execution::async_try_stream;
use parking_lot::Mutex;

use crate::spill::RunReader;
use crate::waiting::Reading;

/// The rows that a step of a recursive query starts from. They are put there before the step and taken by it.
#[derive(Default)]
pub(crate) struct WorkingTable {
    rows: Mutex<Option<Rows>>,
}

/// Rows that are read once.
pub(crate) enum Rows {
    Waiting(Reading),
    /// Some in memory and then some on disk.
    Listed(Vec<RecordBatch>, RunReader),
}

impl WorkingTable {
    pub(crate) fn put(&self, rows: Rows) {
        *self.rows.lock() = Some(rows);
    }
}

/// Reads some columns of a [`WorkingTable`].
pub(crate) struct WorkingTableExec {
    name: String,
    table: Arc<WorkingTable>,
    columns: Vec<usize>,
    properties: Arc<PlanProperties>,
}

impl WorkingTableExec {
    /// Reads these columns of `table`, which make up `schema`.
    pub(crate) fn new(
        name: &str,
        table: &Arc<WorkingTable>,
        schema: SchemaRef,
        columns: Vec<usize>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            name: name.to_string(),
            table: Arc::clone(table),
            columns,
            properties: Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative)),
        }
    }

    /// All columns of rows that are read once.
    pub(crate) fn of(name: &str, rows: Rows, schema: &SchemaRef) -> Self {
        let table = Arc::new(WorkingTable::default());
        table.put(rows);
        let columns = (0..schema.fields().len()).collect();
        Self::new(name, &table, Arc::clone(schema), columns)
    }
}

impl fmt::Debug for WorkingTableExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

impl DisplayAs for WorkingTableExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkingTableExec: name={}", self.name)
    }
}

impl ExecutionPlan for WorkingTableExec {
    fn name(&self) -> &'static str {
        "WorkingTableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.table.rows.lock().take();
        let mut rows = rows.ok_or_else(|| {
            internal_datafusion_err!("the working table of {} is read twice", self.name)
        })?;
        let columns = self.columns.clone();
        let rows = async_try_stream(move |mut emitter| async move {
            loop {
                let next = match &mut rows {
                    Rows::Waiting(reading) => reading.next().await?,
                    Rows::Listed(latest, reader) => match latest.pop() {
                        Some(batch) => Some(batch),
                        None => reader.next().await?,
                    },
                };
                let Some(batch) = next else {
                    return Ok(());
                };
                emitter.emit(batch.project(&columns)?).await;
            }
        });
        let rows = RecordBatchStreamAdapter::new(self.schema(), Box::pin(rows));
        Ok(Box::pin(cooperative(rows)))
    }
}

/// Which columns of the working table of `schema` DataFusion's operator reads; `None` if that cannot be told, since it keeps
/// them to itself and two columns have one name.
pub(crate) fn columns_of(reader: &WorkTableExec, schema: &SchemaRef) -> Option<Vec<usize>> {
    let read = reader.schema();
    let columns = read.fields().iter().map(|field| {
        let mut named =
            (0..schema.fields().len()).filter(|at| schema.field(*at).name() == field.name());
        named.next().filter(|_| named.next().is_none())
    });
    columns.collect()
}

/// A step that reads `table` in place of the working table that DataFusion gives it.
///
/// # Errors
/// If the operators do not fit together.
pub(crate) fn reading(
    step: &Arc<dyn ExecutionPlan>,
    name: &str,
    schema: &SchemaRef,
    table: &Arc<WorkingTable>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let step = Arc::clone(step).transform_up(|node| {
        let reader = node
            .downcast_ref::<WorkTableExec>()
            .filter(|reader| reader.name() == name);
        let Some(reader) = reader else {
            return Ok(Transformed::no(node));
        };
        let columns = columns_of(reader, schema).ok_or_else(|| {
            internal_datafusion_err!("the working table of {name} has other columns")
        })?;
        let reader = WorkingTableExec::new(name, table, reader.schema(), columns);
        Ok(Transformed::yes(Arc::new(reader) as _))
    });
    step.data()
}
