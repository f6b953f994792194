use std::fmt;
use std::sync::Arc;

use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;
use plimsoll_memory::TaskMemory;

use crate::batches::bytes_of;
use crate::plan::as_stock;

/// Merges partitions that are in order, as a [`SortPreservingMergeExec`] does, in whose place it stands.
///
/// A merge holds the batches of its inputs that it is at and can do with no less, so what differs is that it is not refused
/// them: others are asked to give back first, and what there is not is taken beyond it. The batches that are on
/// their way to it from other threads are counted too.
pub struct OrderedMergeExec {
    merge: Arc<SortPreservingMergeExec>,
    metrics: ExecutionPlanMetricsSet,
}

impl fmt::Debug for OrderedMergeExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedMergeExec")
            .field("merge", &self.merge)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for OrderedMergeExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stock = &*self.merge;
        crate::plan::described(f, stock, format, "SortPreservingMergeExec", self.name())
    }
}

impl ExecutionPlan for OrderedMergeExec {
    fn name(&self) -> &'static str {
        "OrderedMergeExec"
    }

    as_stock!(merge);

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = Arc::clone(&self.merge).replace_children(children, options)?;
        Ok(match of_plan(&plan) {
            Some(merge) => Arc::new(merge),
            None => plan,
        })
    }

    fn fetch(&self) -> Option<usize> {
        self.merge.fetch()
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        self.merge.cardinality_effect()
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(internal_datafusion_err!("a merge has one output"));
        }
        let input = self.merge.input();
        let pool: Arc<dyn MemoryPool> = Arc::new(Granting(Arc::clone(context.memory_pool())));
        let memory = MemoryConsumer::new("OrderedMerge").register(&pool);
        let count = input.output_partitioning().partition_count();
        let inputs = (0..count).map(|number| {
            let rows = input.execute(number, Arc::clone(&context))?;
            Ok(on_their_way(rows, memory.new_empty()))
        });
        StreamingMergeBuilder::new()
            .with_streams(inputs.collect::<Result<_>>()?)
            .with_schema(self.schema())
            .with_expressions(self.merge.expr())
            .with_metrics(BaselineMetrics::new(&self.metrics, partition))
            .with_batch_size(context.session_config().batch_size())
            .with_fetch(self.merge.fetch())
            .with_reservation(memory)
            .build()
    }
}

/// The rows, computed on a thread of their own one batch ahead, which `memory` covers.
fn on_their_way(
    rows: SendableRecordBatchStream,
    memory: MemoryReservation,
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let memory = Arc::new(memory);
    let leaving = Arc::clone(&memory);
    let counted = rows.inspect(move |batch| {
        if let Ok(batch) = batch {
            leaving.grow(bytes_of(batch));
        }
    });
    let counted = RecordBatchStreamAdapter::new(Arc::clone(&schema), counted);
    let arrived = spawn_buffered(Box::pin(counted), 1).inspect(move |batch| {
        if let Ok(batch) = batch {
            memory.shrink(bytes_of(batch));
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, arrived))
}

/// The operator for a plan that merges several partitions.
pub(crate) fn of_plan(plan: &Arc<dyn ExecutionPlan>) -> Option<OrderedMergeExec> {
    let merge = plan.downcast_ref::<SortPreservingMergeExec>()?;
    let is_ours = merge.input().output_partitioning().partition_count() > 1;
    is_ours.then(|| OrderedMergeExec {
        merge: Arc::new(merge.clone()),
        metrics: ExecutionPlanMetricsSet::new(),
    })
}

/// A pool that refuses nothing: its consumers ask for what they cannot do without.
#[derive(Debug)]
struct Granting(Arc<dyn MemoryPool>);

impl fmt::Display for Granting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl MemoryPool for Granting {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.0.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.0.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.0.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.0.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        match TaskMemory::of(&self.0) {
            Some(task) => task.grow_at_any_rate(reservation, additional),
            None if self.0.try_grow(reservation, additional).is_err() => {
                self.0.grow(reservation, additional);
            }
            None => {}
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.0.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.0.memory_limit()
    }
}
