//! Rows in the order of the directories that they go to.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use plimsoll_exec::ExternalSortExec;

use super::failed::failed;
use crate::error::Error;
use crate::query::Query;

/// Rows sorted by columns, with a sort that spills, in the memory of their query. Rows that are equal in these stay in
/// their order.
pub(super) struct Sorted {
    rows: SendableRecordBatchStream,
    query: Arc<Query>,
    upstream: Upstream,
}

/// The error that the rows ended with, if they did: an operator that it goes through keeps its words alone.
type Upstream = Arc<Mutex<Option<Error>>>;

impl Sorted {
    /// `context` has the memory of the query.
    ///
    /// # Errors
    /// If the columns cannot be sorted by.
    pub(super) fn new(
        rows: impl Stream<Item = Result<RecordBatch, Error>> + Send + 'static,
        schema: &SchemaRef,
        columns: impl Iterator<Item = usize>,
        query: &Arc<Query>,
        context: Arc<TaskContext>,
    ) -> Result<Self, Error> {
        let upstream = Upstream::default();
        let kept = Arc::clone(&upstream);
        let rows = rows.map(move |batch| {
            batch.map_err(|error| {
                let words = error.to_string();
                *kept.lock() = Some(error);
                DataFusionError::Execution(words)
            })
        });
        let rows: SendableRecordBatchStream =
            Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), rows));
        let by = columns.map(|at| {
            let column = Column::new(schema.field(at).name(), at);
            PhysicalSortExpr::new(Arc::new(column), SortOptions::default())
        });
        let order = LexOrdering::new(by).ok_or_else(|| failed("there is nothing to sort by"))?;
        let once = Arc::new(Once {
            schema: Arc::clone(schema),
            rows: Mutex::new(Some(rows)),
        });
        let input = StreamingTableExec::try_new(
            Arc::clone(schema),
            vec![once],
            None,
            std::iter::empty(),
            false,
            None,
        );
        let input = Arc::new(input.map_err(failed)?);
        let sort: Arc<dyn ExecutionPlan> =
            Arc::new(ExternalSortExec::new(&SortExec::new(order, input)));
        query.runs_beside(Arc::clone(&sort));
        Ok(Self {
            rows: sort.execute(0, context).map_err(failed)?,
            query: Arc::clone(query),
            upstream,
        })
    }

    /// The next rows.
    ///
    /// # Errors
    /// If the rows ended with one, or the sort did.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        match self.rows.next().await {
            None => Ok(None),
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err(error)) => {
                let upstream = self.upstream.lock().take();
                Err(upstream.unwrap_or_else(|| self.query.failure(error)))
            }
        }
    }
}

/// A table of rows that can be read once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        self.rows.lock().take().unwrap_or_else(|| {
            let read = DataFusionError::Execution("these rows were read before".to_owned());
            let again = futures::stream::iter([Err(read)]);
            Box::pin(RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                again,
            ))
        })
    }
}
