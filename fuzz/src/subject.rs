//! What is tried: queries in a session with little memory.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{Stream, StreamExt};
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::{Error, OperatorMetrics, Query, Session};
use plimsoll_memory::{MemoryMode, TaskMemory};

use crate::case::{Environment, Options, Way};
use crate::outcome::Refusal;

const MIB: u64 = 1 << 20;

/// The engine that is tried.
pub enum Subject {
    /// A session.
    Session(Box<Session>),
    /// A session's planner and memory, with options of its own.
    Engine(Box<Session>, SessionState),
    /// Stock DataFusion.
    Stock(SessionState),
}

/// Why a query has no answer.
#[derive(Debug)]
pub enum Trouble {
    /// An operator was refused memory.
    Refused(Refusal),
    /// Anything else.
    Error(String),
}

/// A query that runs, to be looked at.
#[derive(Clone)]
pub enum Running {
    /// In a session.
    Query(Arc<Query>),
    /// A plan.
    Plan(Arc<dyn ExecutionPlan>),
}

/// The rows of a query.
pub type Rows = Pin<Box<dyn Stream<Item = Result<RecordBatch, Trouble>> + Send>>;

impl Subject {
    /// Starts it, with spill files below `directory`.
    ///
    /// # Errors
    /// If the session does not start.
    pub fn start(environment: &Environment, directory: &Path) -> Result<Self> {
        let memory = environment.memory;
        match &environment.way {
            Way::Session { threads } => {
                let session = session(memory, *threads, directory)?;
                Ok(Subject::Session(Box::new(session)))
            }
            Way::Engine(options) => {
                let session = session(memory, options.partitions, directory)?;
                let task = TaskMemory::new(Arc::clone(session.unified_memory()));
                let disk = session.disk_manager();
                let state = with_options(session.state(), options, task, disk)?;
                Ok(Subject::Engine(Box::new(session), state))
            }
            Way::Stock(options) => {
                let pool = Arc::new(FairSpillPool::new(memory as usize));
                let disk = DiskManagerBuilder::default()
                    .with_mode(DiskManagerMode::Directories(vec![directory.to_path_buf()]))
                    .with_max_temp_directory_size(u64::MAX);
                let state = with_options(SessionContext::new().state(), options, pool, disk)?;
                Ok(Subject::Stock(state))
            }
        }
    }

    /// Starts a query.
    ///
    /// # Errors
    /// If it cannot be planned.
    pub async fn run(&self, plan: LogicalPlan, sql: &str) -> Result<(Rows, Running), Trouble> {
        match self {
            Subject::Session(session) => {
                let rows = session
                    .run_plan(plan, sql)
                    .await
                    .map_err(Trouble::of_session)?;
                let running = rows.query().map(Running::Query);
                let running = running.ok_or(Trouble::Error("no query".to_owned()))?;
                let rows = rows.map(|batch| batch.map_err(Trouble::of_session));
                Ok((Box::pin(rows), running))
            }
            Subject::Engine(session, state) => {
                // Each query is a task of its own.
                let task = TaskMemory::new(Arc::clone(session.unified_memory()));
                let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env())
                    .with_memory_pool(task)
                    .build_arc();
                let runtime = runtime.map_err(Trouble::of_engine)?;
                let state = SessionStateBuilder::new_from_existing(state.clone())
                    .with_runtime_env(runtime)
                    .build();
                planned(&state, &plan).await
            }
            Subject::Stock(state) => planned(state, &plan).await,
        }
    }

    /// Bytes of execution memory that are held now.
    pub fn held(&self) -> u64 {
        match self {
            Subject::Session(session) | Subject::Engine(session, _) => {
                session
                    .unified_memory()
                    .pools(MemoryMode::OnHeap)
                    .execution_used
            }
            Subject::Stock(state) => state.runtime_env().memory_pool.reserved() as u64,
        }
    }
}

impl Running {
    /// Its operators, and what they have measured.
    pub fn operators(&self) -> Vec<OperatorMetrics> {
        match self {
            Running::Query(query) => query.operators(),
            Running::Plan(plan) => OperatorMetrics::of_plan(plan),
        }
    }
}

impl Trouble {
    fn of_session(error: Error) -> Self {
        match error {
            Error::OutOfExecutionMemory(text) => Trouble::Refused(Refusal::of_error(&text)),
            other => Trouble::Error(other.to_string()),
        }
    }

    fn of_engine(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(text) => Trouble::Refused(Refusal::of_error(text)),
            _ => Trouble::Error(error.strip_backtrace()),
        }
    }
}

async fn planned(state: &SessionState, plan: &LogicalPlan) -> Result<(Rows, Running), Trouble> {
    let physical = state
        .create_physical_plan(plan)
        .await
        .map_err(Trouble::of_engine)?;
    let rows =
        execute_stream(Arc::clone(&physical), state.task_ctx()).map_err(Trouble::of_engine)?;
    let rows = rows.map(|batch| batch.map_err(Trouble::of_engine));
    Ok((Box::pin(rows), Running::Plan(physical)))
}

/// A session whose unified memory has `memory` bytes. Its line may not be as small as that.
fn session(memory: u64, threads: u8, directory: &Path) -> Result<Session> {
    let reserved = 8 * MIB;
    let line = (memory * 2 + reserved).max(64 * MIB).next_multiple_of(MIB);
    let fraction = memory as f64 / (line - reserved) as f64;
    let mut conf = Conf::default();
    for (key, value) in [
        ("spark.plimsoll.memory", format!("{}m", line / MIB)),
        (
            "spark.plimsoll.memory.reserved",
            format!("{}m", reserved / MIB),
        ),
        ("spark.memory.fraction", fraction.to_string()),
        ("spark.plimsoll.memory.lending", "false".to_owned()),
        ("spark.master", format!("local[{}]", threads.max(1))),
        ("spark.local.dir", directory.display().to_string()),
    ] {
        conf.set(key, &value, Origin::Code)
            .with_context(|| format!("{key} = {value}"))?;
    }
    let session = Session::new(conf, Machine::with_memory(64 << 30), Vec::new());
    session.context("cannot start a session")
}

fn with_options(
    state: SessionState,
    options: &Options,
    pool: Arc<dyn MemoryPool>,
    disk: DiskManagerBuilder,
) -> Result<SessionState> {
    let partitions = usize::from(options.partitions.max(1));
    let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env())
        .with_disk_manager_builder(disk.with_max_spill_merge_fan_in(4))
        .with_memory_pool(pool)
        .build_arc()?;
    let mut config: SessionConfig = state
        .config()
        .clone()
        .with_create_default_catalog_and_schema(false)
        .with_batch_size(options.batch_rows.max(1) as usize)
        .with_target_partitions(partitions);
    let memory = config.options().execution.sort_spill_reservation_bytes;
    let engine = config.options_mut();
    engine.execution.sort_spill_reservation_bytes = memory.min((64 << 10) * partitions);
    engine.execution.parquet.pushdown_filters = options.filters_in_scan;
    engine.optimizer.hash_join_single_partition_threshold =
        options.single_partition_threshold as usize;
    engine.optimizer.hash_join_single_partition_threshold_rows =
        (options.single_partition_threshold / 16) as usize;
    if let Some(rows) = options.probe_rows {
        engine
            .execution
            .skip_partial_aggregation_probe_rows_threshold = rows as usize;
    }
    engine.optimizer.prefer_hash_join = options.hash_joins;
    engine.optimizer.enable_join_dynamic_filter_pushdown = options.dynamic_filters;
    engine.optimizer.join_reordering = options.swap_sides;
    Ok(SessionStateBuilder::new_from_existing(state)
        .with_config(config)
        .with_runtime_env(runtime)
        .build())
}
