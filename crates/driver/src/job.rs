use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use plimsoll_exec::SortInPlaceOfTopK;
use plimsoll_memory::TaskMemory;
use tokio::sync::mpsc::Sender;
use tracing::warn;

use crate::query::Query;

/// Batches that wait between a query and whoever reads its rows.
const BATCHES_AHEAD: usize = 2;

/// How long the tasks of a plan that was given up may take to let go of their memory.
const LETTING_GO: Duration = Duration::from_secs(30);

/// How a query is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// With the operators that are fastest, some of which fail when refused memory.
    Fast,
    /// With operators that spill in their place: sort-merge joins for hash joins, external sorts for
    /// top-k.
    Frugal,
}

/// A query with all it needs to be planned and run, apart from the session it came from.
///
/// A hash join or a top-k fails when it is refused memory. A query that fails so before it has
/// delivered a row is run once more, with operators in their place that are slower and can spill.
pub(crate) struct Job {
    pub(crate) logical: LogicalPlan,
    pub(crate) state: SessionState,
    pub(crate) config: SessionConfig,
    pub(crate) disk: DiskManagerBuilder,
    pub(crate) task: Arc<TaskMemory>,
    pub(crate) query: Arc<Query>,
}

impl Job {
    /// Plans the query and starts it on threads of the runtime: whoever reads the rows is not held
    /// up by it and can stop it by dropping them.
    pub(crate) async fn start(self) -> Result<SendableRecordBatchStream> {
        let first = self.stream(Plan::Fast).await?;
        let mut rows = RecordBatchReceiverStream::builder(first.schema(), BATCHES_AHEAD);
        let to = rows.tx();
        rows.spawn(async move {
            self.run(first, to).await;
            Ok(())
        });
        Ok(rows.build())
    }

    async fn run(self, first: SendableRecordBatchStream, to: Sender<Result<RecordBatch>>) {
        let delivered = AtomicU64::new(0);
        let outcome = match deliver(first, &to, &delivered).await {
            Err(error) if is_out_of_memory(&error) && delivered.load(Ordering::Relaxed) == 0 => {
                self.again(error, &to, &delivered).await
            }
            outcome => outcome,
        };
        if let Err(error) = outcome {
            // Nobody reads any more if this cannot be sent.
            let _ = to.send(Err(error)).await;
        }
    }

    /// The second attempt, once the first has let go of its memory.
    async fn again(
        &self,
        error: DataFusionError,
        to: &Sender<Result<RecordBatch>>,
        delivered: &AtomicU64,
    ) -> Result<()> {
        let reason = error.find_root().message().into_owned();
        warn!("planned anew with operators that spill: {reason}");
        self.query.plan_given_up(reason);
        let pause = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while self.task.usage().held > 0 && waited < LETTING_GO {
            tokio::time::sleep(pause).await;
            waited += pause;
        }
        deliver(self.stream(Plan::Frugal).await?, to, delivered).await
    }

    async fn stream(&self, plan: Plan) -> Result<SendableRecordBatchStream> {
        let state = self.state_for(plan)?;
        let physical = state.create_physical_plan(&self.logical).await?;
        self.query.planned(Arc::clone(&physical));
        execute_stream(physical, state.task_ctx())
    }

    /// The session's state with a runtime of its own for this query: its memory, its spill files.
    fn state_for(&self, plan: Plan) -> Result<SessionState> {
        let runtime = RuntimeEnvBuilder::from_runtime_env(self.state.runtime_env())
            .with_disk_manager_builder(self.disk.clone())
            .with_memory_pool(Arc::clone(&self.task) as _)
            .build_arc()?;
        let mut config = self
            .config
            .clone()
            // The catalogs are the session's; a new default one would take their place.
            .with_create_default_catalog_and_schema(false);
        let is_frugal = plan == Plan::Frugal;
        config.options_mut().optimizer.prefer_hash_join = !is_frugal;
        let builder = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_config(config)
            .with_runtime_env(runtime);
        Ok(match is_frugal {
            true => builder.with_physical_optimizer_rule(Arc::new(SortInPlaceOfTopK)),
            false => builder,
        }
        .build())
    }
}

/// Passes batches on until the last, or until nobody reads them any more.
async fn deliver(
    mut from: SendableRecordBatchStream,
    to: &Sender<Result<RecordBatch>>,
    delivered: &AtomicU64,
) -> Result<()> {
    while let Some(batch) = from.next().await.transpose()? {
        delivered.fetch_add(1, Ordering::Relaxed);
        if to.send(Ok(batch)).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}
