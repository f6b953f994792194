use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use plimsoll_memory::{Admitted, TaskMemory, UserCode};
use plimsoll_storage::lineage;
use tokio::sync::mpsc::Sender;
use tracing::warn;

use crate::distinct::rules_when_short;
use crate::query::Query;
use crate::rules::rules;
use crate::source::{Cut, ScanBudget};

/// Batches that wait between a query and whoever reads its rows.
const BATCHES_AHEAD: usize = 2;

/// How long the tasks of a plan that was given up may take to let go of their memory.
const LETTING_GO: Duration = Duration::from_secs(30);

/// How a query is planned, from the fastest way to the one that needs least memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// With the operators that are fastest, some of which fail when refused memory.
    Fast,
    /// With operators that spill in their place: external sorts for top-k, groups for values that are DISTINCT.
    Spilling,
    /// The same on one thread and with small batches, so that each operator has memory for itself.
    OneThread,
}

impl Plan {
    /// What is tried when this one was refused memory.
    fn next(self) -> Option<Self> {
        match self {
            Plan::Fast => Some(Plan::Spilling),
            Plan::Spilling => Some(Plan::OneThread),
            Plan::OneThread => None,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Plan::Fast => "with the fastest operators",
            Plan::Spilling => "with operators that spill",
            Plan::OneThread => "with operators that spill, on one thread",
        }
    }
}

/// Rows in a batch of a plan for one thread.
const SMALL_BATCH: usize = 1024;

/// A query with all it needs to be planned and run, apart from the session it came from.
///
/// A top-k fails when it is refused memory, as do values that are DISTINCT, and others on many threads. A query that fails so before it has
/// delivered a row is planned anew and runs again, with operators in their place that are slower and
/// can spill; and if that is refused memory too, on one thread.
pub(crate) struct Job {
    pub(crate) logical: LogicalPlan,
    pub(crate) state: SessionState,
    pub(crate) config: SessionConfig,
    /// How many threads there are; with little memory it is cut into fewer partitions.
    pub(crate) threads: usize,
    /// How many partitions a join aims for that does not fit.
    pub(crate) join_partitions: usize,
    pub(crate) disk: DiskManagerBuilder,
    pub(crate) task: Arc<TaskMemory>,
    pub(crate) query: Arc<Query>,
    /// Whether functions of the user's are in it, which may take memory that nobody announces.
    pub(crate) runs_user_code: bool,
}

impl Job {
    /// Plans the query and starts it on threads of the runtime: whoever reads the rows is not held
    /// up by it and can stop it by dropping them.
    pub(crate) async fn start(self) -> Result<SendableRecordBatchStream> {
        let (plan, context) = self.plan(Plan::Fast).await?;
        let first = execute_stream(Arc::clone(&plan), context)?;
        let mut rows = RecordBatchReceiverStream::builder(first.schema(), BATCHES_AHEAD);
        let to = rows.tx();
        let consumers = consumers(&plan);
        rows.spawn(async move {
            let _place = self.admitted(consumers).await;
            self.run(first, to).await;
            Ok(())
        });
        Ok(rows.build())
    }

    /// Waits until the operators of the plan have enough to begin with.
    async fn admitted(&self, consumers: u64) -> (Admitted, Option<UserCode>) {
        let query = &self.query;
        let place = self.task.admit(consumers, || query.waits()).await;
        query.begins();
        let user_code = self.runs_user_code.then(|| self.task.run_user_code());
        (place, user_code)
    }

    async fn run(self, first: SendableRecordBatchStream, to: Sender<Result<RecordBatch>>) {
        if let Err(error) = self.deliver(Plan::Fast, first, &to).await {
            // Nobody reads any more if this cannot be sent.
            let _ = to.send(Err(error)).await;
        }
    }

    /// Delivers the rows of this plan, or of the next if it is refused memory before the first row.
    async fn deliver(
        &self,
        mut plan: Plan,
        mut from: SendableRecordBatchStream,
        to: &Sender<Result<RecordBatch>>,
    ) -> Result<()> {
        loop {
            let mut delivered = false;
            let error = match pass_on(from, &self.task, to, &mut delivered).await {
                Err(error) if !delivered && is_out_of_memory(&error) => error,
                outcome => return outcome,
            };
            (plan, from) = self.planned_anew(plan, error).await?;
        }
    }

    /// The next plan that differs from the one that failed, once that has let go of its memory.
    async fn planned_anew(
        &self,
        failed: Plan,
        error: DataFusionError,
    ) -> Result<(Plan, SendableRecordBatchStream)> {
        let shape = self.query.shape();
        let reason = error.find_root().message().into_owned();
        self.query.plan_given_up(reason.clone());
        self.until_free().await;
        self.task.begin_anew();
        let mut next = failed.next();
        while let Some(plan) = next {
            let (physical, context) = self.plan(plan).await?;
            // On one thread the same operators have more memory each.
            if plan == Plan::OneThread || self.query.shape() != shape {
                warn!("planned anew {}: {reason}", plan.describe());
                return Ok((plan, execute_stream(physical, context)?));
            }
            next = plan.next();
        }
        Err(error)
    }

    /// Waits until the tasks of a plan that was given up have let go of their memory: of what they reserved, and
    /// for a moment of what they allocated, some of which others may go on using.
    async fn until_free(&self) {
        const LITTLE: u64 = 1 << 20;
        const MOMENT: Duration = Duration::from_millis(250);
        let pause = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        let is_free = |waited: Duration| {
            self.task.usage().held == 0 && (waited > MOMENT || self.task.allocated() < LITTLE)
        };
        while !is_free(waited) && waited < LETTING_GO {
            tokio::time::sleep(pause).await;
            waited += pause;
        }
    }

    /// The physical plan, and what it runs in. Nothing runs before [`execute_stream`].
    async fn plan(&self, plan: Plan) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
        let mut state = self.state_for(plan)?;
        let mut physical = state.create_physical_plan(&self.logical).await?;
        let config = state.config();
        let most = Cut {
            rows: config.batch_size(),
            partitions: config.target_partitions(),
        };
        let cut = Cut::of(&physical, ScanBudget::of(config), most);
        if cut != most {
            *state.config_mut() = config
                .clone()
                .with_batch_size(cut.rows)
                .with_target_partitions(cut.partitions);
            physical = state.create_physical_plan(&self.logical).await?;
        }
        if deals_rows_out(&physical) {
            let options = state.config_mut().options_mut();
            options.optimizer.enable_round_robin_repartition = false;
            physical = state.create_physical_plan(&self.logical).await?;
        }
        let is_cut = cut.partitions < self.threads || plan == Plan::OneThread;
        self.query.planned(Arc::clone(&physical), is_cut);
        Ok((physical, state.task_ctx()))
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
        if plan == Plan::OneThread {
            config = config
                .with_target_partitions(1)
                .with_batch_size(SMALL_BATCH);
        }
        let is_short = plan != Plan::Fast;
        let mut builder = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_config(config)
            .with_runtime_env(runtime)
            .with_physical_optimizer_rules(rules(self.join_partitions, is_short));
        if is_short {
            builder = builder.with_optimizer_rules(rules_when_short());
        }
        Ok(builder.build())
    }
}

/// How many consumers of memory the plan will have at least: one for each partition of an operator that
/// keeps rows.
fn consumers(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let keeps_rows = match plan.name() {
        "ProjectionExec"
        | "FilterExec"
        | "CoalescePartitionsExec"
        | "CoalesceBatchesExec"
        | "GlobalLimitExec"
        | "LocalLimitExec"
        | "UnionExec"
        | "CooperativeExec"
        | "DynamicFilterExec"
        | "PiecesExec"
        | "SteadyScan" => false,
        _ => !plan.children().is_empty(),
    };
    let own = match keeps_rows {
        true => plan.output_partitioning().partition_count() as u64,
        false => 0,
    };
    let below = plan.children().into_iter().chain(lineage(plan));
    own + below.map(consumers).sum::<u64>()
}

/// Whether the plan deals the rows of one partition out to several and does nothing with them that needs
/// it: no join, aggregate or sort. They would come back in another order than they have, and people who
/// look at the first rows of a table expect its first rows.
fn deals_rows_out(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut deals = false;
    let mut next = Some(plan);
    while let Some(node) = next {
        let mut children = node.children().into_iter();
        next = children.next();
        if children.next().is_some() {
            return false;
        }
        match node.name() {
            "RepartitionExec" => deals = true,
            "ProjectionExec"
            | "FilterExec"
            | "CoalescePartitionsExec"
            | "CoalesceBatchesExec"
            | "GlobalLimitExec"
            | "LocalLimitExec"
            | "UnnestExec"
            | "PiecesExec"
            | "SteadyScan"
            | "CooperativeExec" => {}
            _ => return deals && next.is_none(),
        }
    }
    deals
}

/// Passes batches on until the last, or until nobody reads them any more.
async fn pass_on(
    mut from: SendableRecordBatchStream,
    task: &TaskMemory,
    to: &Sender<Result<RecordBatch>>,
    delivered: &mut bool,
) -> Result<()> {
    while let Some(batch) = next(&mut from, task).await? {
        *delivered = true;
        if to.send(Ok(batch)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The next batch, or the reason why the query was ended for want of memory.
async fn next(
    from: &mut SendableRecordBatchStream,
    task: &TaskMemory,
) -> Result<Option<RecordBatch>> {
    tokio::select! {
        biased;
        error = task.cancelled() => Err(error),
        batch = from.next() => batch.transpose(),
    }
}

fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}
