use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, RecordOutput, SpillMetrics,
};
use datafusion_execution::TryEmitter;
use futures::StreamExt;

use super::seen::Seen;
use super::table::{Rows, WorkingTable};
use crate::spill::Disk;
use crate::waiting::{Room, UseOfRows, Waiting};

/// A recursive query on its way through its steps.
pub(crate) struct Recursion {
    step: Arc<dyn ExecutionPlan>,
    /// What a step reads.
    table: Arc<WorkingTable>,
    /// Of a `UNION` the rows that there were; `None` for `UNION ALL`.
    seen: Option<Arc<Seen>>,
    /// Where the rows of a step wait for the next, in turn: those that are read are there until it ends.
    rooms: [Arc<Room>; 2],
    /// Where the rows of a step wait that may have been there before.
    doubtful: Arc<Room>,
    context: Arc<TaskContext>,
    baseline: BaselineMetrics,
    spill: SpillMetrics,
    steps: Count,
}

impl Recursion {
    /// A query of this step and the table that it reads; `partitions`, if it is a `UNION`, is how many what that spills is
    /// cut into at most.
    ///
    /// # Errors
    /// If rows of this schema cannot be told apart.
    pub(crate) fn new(
        (step, table): (Arc<dyn ExecutionPlan>, Arc<WorkingTable>),
        partitions: Option<usize>,
        schema: &SchemaRef,
        context: Arc<TaskContext>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Self> {
        let spill = SpillMetrics::new(metrics, 0);
        let disk = Disk::new(&context, spill.clone(), "a recursive query");
        let room = || {
            Room::new(
                ("RecursiveQuery".to_string(), "spilled_steps"),
                UseOfRows::AsTheyAre,
                schema,
                &disk,
                &context,
                (metrics, 0),
            )
        };
        let seen = partitions
            .map(|partitions| Seen::new(schema, partitions, &disk, &context, metrics))
            .transpose()?;
        Ok(Self {
            step,
            table,
            seen,
            rooms: [room(), room()],
            doubtful: room(),
            baseline: BaselineMetrics::new(metrics, 0),
            spill,
            steps: MetricBuilder::new(metrics).counter("steps", 0),
            context,
        })
    }

    /// Hands on the rows of `start`, and those of one step after the other until one has none.
    ///
    /// # Errors
    /// Those of the operators and of the disk.
    pub(crate) async fn run(
        self,
        start: SendableRecordBatchStream,
        mut emitter: TryEmitter<RecordBatch, DataFusionError>,
    ) -> Result<()> {
        let mut rows = start;
        let mut step = None;
        for room in self.rooms.iter().cycle() {
            let next = Waiting::new(room);
            self.take_in(rows, &next, &mut emitter).await?;
            if let Some(step) = step.take() {
                self.count_spills_of(&step)?;
            }
            if next.is_empty() {
                break;
            }
            self.table.put(Rows::Waiting(next.read()));
            let plan = reset_plan_states(Arc::clone(&self.step))?;
            rows = plan.execute(0, Arc::clone(&self.context))?;
            step = Some(plan);
            self.steps.add(1);
        }
        Ok(())
    }

    /// Hands on what is new in the rows of a step, and keeps it for the next.
    async fn take_in(
        &self,
        mut rows: SendableRecordBatchStream,
        next: &Waiting,
        emitter: &mut TryEmitter<RecordBatch, DataFusionError>,
    ) -> Result<()> {
        let mut doubtful = None;
        while let Some(batch) = rows.next().await.transpose()? {
            let new = match &self.seen {
                None => Some(batch),
                Some(seen) => {
                    let _time = self.baseline.elapsed_compute().timer();
                    let new = seen.new_among(&batch)?;
                    if new.is_none() {
                        let doubtful = doubtful.get_or_insert_with(|| Waiting::new(&self.doubtful));
                        doubtful.push(batch)?;
                    }
                    new
                }
            };
            if let Some(new) = new {
                self.deliver(new, next, emitter).await?;
            }
        }
        drop(rows);
        let (Some(doubtful), Some(seen)) = (doubtful, &self.seen) else {
            return Ok(());
        };
        let check = seen.check(Rows::Waiting(doubtful.read()))?;
        let mut new = check.execute(0, Arc::clone(&self.context))?;
        while let Some(batch) = new.next().await.transpose()? {
            let batch = seen.add(&batch)?;
            self.deliver(batch, next, emitter).await?;
        }
        self.count_spills_of(&check)
    }

    async fn deliver(
        &self,
        rows: RecordBatch,
        next: &Waiting,
        emitter: &mut TryEmitter<RecordBatch, DataFusionError>,
    ) -> Result<()> {
        if rows.num_rows() > 0 {
            next.push(rows.clone())?;
            emitter.emit(rows.record_output(&self.baseline)).await;
        }
        Ok(())
    }

    /// Counts what the operators of a step have spilled as spilled by the query: they are others in each step, and nobody
    /// else knows of them.
    fn count_spills_of(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
        plan.apply(|node| {
            if let Some(metrics) = node.metrics() {
                let files = metrics.spill_count().unwrap_or(0);
                self.spill.spill_file_count.add(files);
                let bytes = metrics.spilled_bytes().unwrap_or(0);
                self.spill.spilled_bytes.add(bytes);
                let rows = metrics.spilled_rows().unwrap_or(0);
                self.spill.spilled_rows.add(rows);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }
}
