//! The first judge: stock DataFusion with one partition, and memory enough.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;

use crate::answer::Answer;

/// What the judge takes a case for endless at.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of memory.
    pub memory: usize,
    /// Rows of an answer.
    pub rows: usize,
    /// Time for a query.
    pub time: Duration,
}

/// What there is too little of for a query that the judge is given up for.
pub const TIME: &str = "time";

/// What the judge says to a query.
pub enum Verdict {
    /// This is the answer.
    Answer(Answer),
    /// DataFusion does not do this.
    Unsupported(String),
    /// It would take too long, too much memory, or has too many rows.
    TooLarge(&'static str),
}

/// The context in which the tables of a case are registered, and its queries planned and answered.
///
/// # Errors
/// If DataFusion cannot be set up.
pub fn context(bounds: Bounds) -> Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(bounds.memory)))
        .build_arc()?;
    let state = SessionStateBuilder::new()
        .with_config(SessionConfig::new().with_target_partitions(1))
        .with_runtime_env(runtime)
        .with_default_features()
        // What NOT IN means is not for the operators to say.
        .with_optimizer_rules(plimsoll_driver::logical_rules())
        .build();
    Ok(SessionContext::new_with_state(state))
}

/// Plans a query, without optimizing it.
///
/// # Errors
/// As DataFusion has them.
pub async fn plan(context: &SessionContext, sql: &str) -> DataFusionResult<LogicalPlan> {
    context.state().create_logical_plan(sql).await
}

/// Answers a query.
///
/// # Errors
/// If the answer has a type that cannot be compared.
pub async fn answer(
    context: &SessionContext,
    plan: &LogicalPlan,
    bounds: Bounds,
) -> Result<Verdict> {
    match tokio::time::timeout(bounds.time, rows(context, plan, bounds)).await {
        Ok(Ok(Ok(verdict))) => Ok(verdict),
        Ok(Ok(Err(error))) => Ok(match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Verdict::TooLarge("memory"),
            _ => Verdict::Unsupported(error.strip_backtrace()),
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Verdict::TooLarge(TIME)),
    }
}

async fn rows(
    context: &SessionContext,
    plan: &LogicalPlan,
    bounds: Bounds,
) -> Result<DataFusionResult<Verdict>> {
    let physical = match context.state().create_physical_plan(plan).await {
        Ok(physical) => physical,
        Err(error) => return Ok(Err(error)),
    };
    let mut stream = match execute_stream(physical, context.task_ctx()) {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(error)),
    };
    let mut answer = Answer::new(&stream.schema())?;
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => answer.add(&batch)?,
            Err(error) => return Ok(Err(error)),
        }
        if answer.len() > bounds.rows {
            return Ok(Ok(Verdict::TooLarge("rows")));
        }
    }
    Ok(Ok(Verdict::Answer(answer)))
}
