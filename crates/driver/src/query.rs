use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use plimsoll_memory::{PeakGuard, TaskMemory};

use crate::error::Error;
use crate::history::History;
use crate::operators::{OperatorMetrics, visit};
use crate::record::{OperatorSpill, QueryRecord, Status, named};

/// A query that runs: what can be asked of it from outside while its rows are read.
pub struct Query {
    id: u64,
    sql: String,
    started: Instant,
    task: Arc<TaskMemory>,
    meter: PeakGuard,
    around: Around,
    plans: Mutex<Plans>,
    rows: AtomicU64,
    waiting: AtomicBool,
}

/// What of the process around a query stands in its errors.
pub(crate) struct Around {
    /// The line when it began, in bytes.
    pub(crate) line: u64,
    pub(crate) spill_directories: String,
}

/// The plan of a query, and what is left of the one that was given up for it.
#[derive(Default)]
struct Plans {
    /// Set once the query is planned. It holds build sides, so it is dropped when the query ends.
    running: Option<Arc<dyn ExecutionPlan>>,
    given_up: Option<String>,
    /// What plans have spilled that are no longer running.
    spilled: Vec<OperatorSpill>,
    /// What the operators of those plans measured.
    operators: Vec<OperatorMetrics>,
}

impl Plans {
    /// What all plans have spilled so far, by operator, most first.
    fn spills(&self) -> Vec<OperatorSpill> {
        let mut by_operator: BTreeMap<String, OperatorSpill> = BTreeMap::new();
        let running = self.running.as_ref().map(spills_of).unwrap_or_default();
        for spill in self.spilled.iter().chain(&running) {
            let sum = by_operator
                .entry(spill.operator.clone())
                .or_insert_with(|| OperatorSpill::none(&spill.operator));
            sum.bytes += spill.bytes;
            sum.rows += spill.rows;
            sum.files += spill.files;
        }
        let mut spills: Vec<OperatorSpill> = by_operator.into_values().collect();
        spills.sort_by_key(|spill| Reverse(spill.bytes));
        spills
    }

    fn end(&mut self) {
        self.spilled = self.spills();
        if let Some(plan) = self.running.take() {
            self.operators.extend(OperatorMetrics::of_plan(&plan));
        }
    }
}

/// How far a query has come. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The query's number; see [`QueryRecord::id`].
    pub id: u64,
    /// Time since the beginning of planning.
    pub elapsed: Duration,
    /// Whether it waits for memory that other queries hold before it begins.
    pub is_waiting: bool,
    /// Rows that scans have read so far.
    pub rows_scanned: u64,
    /// Execution memory held now.
    pub execution: u64,
    /// Execution memory it could hold at most now.
    pub execution_limit: u64,
    /// What it has written to disk for lack of memory.
    pub spilled: u64,
    /// What is allocated in the process now; 0 where nobody counts it.
    pub allocated: u64,
    /// What is resident in the process now.
    pub resident: u64,
}

impl Query {
    pub(crate) fn new(
        id: u64,
        sql: &str,
        task: Arc<TaskMemory>,
        meter: PeakGuard,
        around: Around,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            sql: sql.to_owned(),
            started: Instant::now(),
            task,
            meter,
            around,
            plans: Mutex::default(),
            rows: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
        })
    }

    /// Its number; see [`QueryRecord::id`].
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn set_waiting(&self, waits: bool) {
        self.waiting.store(waits, Ordering::Relaxed);
    }

    pub(crate) fn planned(&self, plan: Arc<dyn ExecutionPlan>) {
        self.plans.lock().running = Some(plan);
    }

    /// The names of the operators in the running plan, in order: what tells plans apart.
    pub(crate) fn shape(&self) -> Vec<String> {
        let mut names = Vec::new();
        if let Some(plan) = &self.plans.lock().running {
            visit(plan, &mut |node| names.push(node.name().to_owned()));
        }
        names
    }

    /// The plan has failed for this reason, and another will take its place.
    pub(crate) fn plan_given_up(&self, reason: String) {
        let mut plans = self.plans.lock();
        plans.end();
        plans.given_up = Some(reason);
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let plans = self.plans.lock();
        let now = self.meter.now();
        Progress {
            id: self.id,
            elapsed: self.started.elapsed(),
            is_waiting: self.waiting.load(Ordering::Relaxed),
            rows_scanned: plans.running.as_ref().map_or(0, rows_scanned),
            execution: self.task.usage().held,
            execution_limit: self.task.limit(),
            spilled: plans.spills().iter().map(|spill| spill.bytes).sum(),
            allocated: now.allocated,
            resident: now.resident,
        }
    }

    /// The error that it ends with.
    fn failure(&self, error: DataFusionError) -> Error {
        let lacking = || self.task.usage().most_lacking();
        Error::execution(error, &self.around, lacking)
    }

    /// The operators of its plan and what they have measured so far, after those of the plan that was
    /// given up for it, if there is one. They stay when it is over.
    pub fn operators(&self) -> Vec<OperatorMetrics> {
        let plans = self.plans.lock();
        let mut operators = plans.operators.clone();
        if let Some(plan) = &plans.running {
            operators.extend(OperatorMetrics::of_plan(plan));
        }
        operators
    }

    /// Ends it so, and gives the record of it.
    pub(crate) fn record(&self, status: Status, error: Option<String>) -> QueryRecord {
        let usage = self.task.usage();
        let peak = self.meter.peak();
        let mut plans = self.plans.lock();
        plans.end();
        let spills = plans.spills();
        let (holders_at_peak, other_holders) = named(usage.holders_at_peak);
        QueryRecord {
            id: self.id,
            sql: self.sql.clone(),
            status,
            error,
            plan_given_up: plans.given_up.clone(),
            rows: self.rows.load(Ordering::Relaxed),
            seconds: self.started.elapsed().as_secs_f64(),
            peak_execution: usage.peak,
            peak_overdraft: usage.peak_overdraft,
            peak_allocated: peak.allocated,
            peak_resident: peak.resident,
            overflowed: self.meter.overflowed(),
            spilled_bytes: spills.iter().map(|spill| spill.bytes).sum(),
            spill_files: spills.iter().map(|spill| spill.files).sum(),
            spills,
            holders_at_peak,
            other_holders,
            refusals: named(usage.refusals).0,
        }
    }
}

/// What the operators of a plan have spilled so far, one by one.
fn spills_of(plan: &Arc<dyn ExecutionPlan>) -> Vec<OperatorSpill> {
    let mut spills = Vec::new();
    visit(plan, &mut |node| {
        let Some(metrics) = node.metrics() else {
            return;
        };
        let files = metrics.spill_count().unwrap_or(0) as u64;
        if files > 0 {
            spills.push(OperatorSpill {
                operator: node.name().to_owned(),
                bytes: metrics.spilled_bytes().unwrap_or(0) as u64,
                rows: metrics.spilled_rows().unwrap_or(0) as u64,
                files,
            });
        }
    });
    spills
}

fn rows_scanned(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let mut rows = 0;
    visit(plan, &mut |node| {
        if node.children().is_empty() {
            rows += node
                .metrics()
                .and_then(|metrics| metrics.output_rows())
                .unwrap_or(0) as u64;
        }
    });
    rows
}

/// Where the record of each query goes when it is over.
pub(crate) type SharedHistory = Arc<Mutex<History>>;

/// The rows of a statement, as they come. Dropped before the last one, it cancels the query.
pub struct Rows {
    schema: SchemaRef,
    source: Source,
}

enum Source {
    /// The answer of a command such as SHOW TABLES, which is there at once.
    Ready(Option<RecordBatch>),
    Running(Running),
    /// Rows that are read for what that does.
    Unseen(Box<Rows>, Undo),
}

/// What is done if a statement does not come to its end.
pub(crate) struct Undo(Option<Box<dyn FnOnce() + Send>>);

impl Undo {
    pub(crate) fn new(undo: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(undo)))
    }

    fn undo(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }

    /// What was done stays.
    pub(crate) fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        self.undo();
    }
}

struct Running {
    /// `None` once the last row, or an error, has been delivered.
    stream: Option<SendableRecordBatchStream>,
    query: Arc<Query>,
    history: SharedHistory,
}

impl Running {
    fn end(&mut self, status: Status, error: Option<String>) {
        if self.stream.take().is_some() {
            self.history.lock().push(&self.query.record(status, error));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Status::Cancelled, None);
    }
}

impl Rows {
    pub(crate) fn ready(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            source: Source::Ready(Some(batch)),
        }
    }

    pub(crate) fn running(
        stream: SendableRecordBatchStream,
        query: Arc<Query>,
        history: SharedHistory,
    ) -> Self {
        Self {
            schema: stream.schema(),
            source: Source::Running(Running {
                stream: Some(stream),
                query,
                history,
            }),
        }
    }

    /// Rows that are read to the end for what that does, and that nobody sees: a statement that works and answers
    /// nothing. If it does not come to its end, what it did is undone.
    pub(crate) fn unseen(rows: Rows, undo: Undo) -> Self {
        Self {
            schema: Arc::new(Schema::empty()),
            source: Source::Unseen(Box::new(rows), undo),
        }
    }

    /// The columns; none if the statement works and answers nothing.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The query that gives these rows; none if they were there at once.
    pub fn query(&self) -> Option<Arc<Query>> {
        match &self.source {
            Source::Ready(_) => None,
            Source::Running(running) => Some(Arc::clone(&running.query)),
            Source::Unseen(rows, _) => rows.query(),
        }
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let running = match &mut self.source {
            Source::Ready(batch) => return Poll::Ready(batch.take().map(Ok)),
            Source::Running(running) => running,
            Source::Unseen(rows, undo) => {
                return loop {
                    match ready!(rows.poll_next_unpin(cx)) {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => {
                            undo.undo();
                            break Poll::Ready(Some(Err(error)));
                        }
                        None => {
                            undo.0 = None;
                            break Poll::Ready(None);
                        }
                    }
                };
            }
        };
        let Some(stream) = &mut running.stream else {
            return Poll::Ready(None);
        };
        match ready!(Pin::new(stream).poll_next(cx)) {
            Some(Ok(batch)) => {
                let rows = batch.num_rows() as u64;
                running.query.rows.fetch_add(rows, Ordering::Relaxed);
                Poll::Ready(Some(Ok(batch)))
            }
            Some(Err(error)) => {
                let error = running.query.failure(error);
                running.end(Status::Failed, Some(error.to_string()));
                Poll::Ready(Some(Err(error)))
            }
            None => {
                running.end(Status::Finished, None);
                Poll::Ready(None)
            }
        }
    }
}
