use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream,
};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use plimsoll_advisor::{Advice, Failure};
use plimsoll_memory::{PeakGuard, TaskMemory};
use serde::{Serialize, Serializer};

use crate::advice::{Advisor, Seen, part_read};
use crate::broadcast::BroadcastRecord;
use crate::error::{Error, Lacking};
use crate::event::EventKind;
use crate::operators::{OperatorMetrics, visit};
use crate::record::{OperatorSpill, QueryRecord, Status, named};
use crate::results::Delivery;
use crate::status::AppStatus;

/// A query that runs: what can be asked of it from outside while its rows are read.
pub struct Query {
    id: u64,
    session: u64,
    status: Arc<AppStatus>,
    is_over: AtomicBool,
    sql: String,
    started: Instant,
    task: Arc<TaskMemory>,
    meter: PeakGuard,
    around: Around,
    plans: Mutex<Plans>,
    rows: AtomicU64,
    /// Rows in files, if that is where they go.
    written: OnceLock<AtomicU64>,
    waiting: AtomicBool,
    /// What its error advises, if it has ended with one.
    advice: Mutex<Vec<Advice>>,
}

/// What of the process around a query stands in its errors.
pub(crate) struct Around {
    /// The line when it began, in bytes.
    pub(crate) line: u64,
    pub(crate) spill_directories: String,
    pub(crate) advisor: Advisor,
}

/// The plan of a query, and what is left of the one that was given up for it.
#[derive(Default)]
struct Plans {
    /// Set once the query is planned. It holds build sides, so it is dropped when the query ends.
    running: Option<Arc<dyn ExecutionPlan>>,
    /// What runs on its rows in the same memory: a sort for a write.
    beside: Option<Arc<dyn ExecutionPlan>>,
    /// Whether it runs on fewer threads than it would with more memory.
    is_cut: bool,
    given_up: Option<String>,
    /// What plans have spilled that are no longer running.
    spilled: Vec<OperatorSpill>,
    /// What the operators of those plans measured.
    operators: Vec<OperatorMetrics>,
    /// Rows that their scans have read.
    rows_scanned: u64,
    /// The part of its input that the latest of those has read, if that is known.
    part_read: Option<f64>,
    /// What became of their broadcasts.
    broadcasts: Vec<BroadcastRecord>,
}

impl Plans {
    /// What all plans have spilled so far, by operator, most first.
    fn spills(&self) -> Vec<OperatorSpill> {
        let mut by_operator: BTreeMap<String, OperatorSpill> = BTreeMap::new();
        let plans = self.running.iter().chain(&self.beside);
        let running: Vec<OperatorSpill> = plans.flat_map(spills_of).collect();
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
            self.part_read = part_read(&plan);
            self.rows_scanned += rows_scanned(&plan);
            self.operators.extend(OperatorMetrics::of_plan(&plan));
            self.broadcasts.extend(BroadcastRecord::of_plan(&plan));
        }
        self.beside = None;
    }
}

/// How far a query has come. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The query's number; see [`QueryRecord::id`].
    pub id: u64,
    /// Time since the beginning of planning; written as seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Whether it waits for memory that other queries hold before it begins.
    pub is_waiting: bool,
    /// Rows that scans have read so far.
    pub rows_scanned: u64,
    /// Rows that are in files so far; none if the rows go elsewhere.
    pub rows_written: Option<u64>,
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

fn seconds<S: Serializer>(elapsed: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(elapsed.as_secs_f64())
}

impl Query {
    /// A query begins.
    pub(crate) fn new(
        status: &Arc<AppStatus>,
        session: u64,
        sql: &str,
        task: Arc<TaskMemory>,
        meter: PeakGuard,
        around: Around,
    ) -> Arc<Self> {
        let query = Arc::new(Self {
            id: status.next_query(),
            session,
            status: Arc::clone(status),
            is_over: AtomicBool::new(false),
            sql: sql.to_owned(),
            started: Instant::now(),
            task,
            meter,
            around,
            plans: Mutex::default(),
            rows: AtomicU64::new(0),
            written: OnceLock::new(),
            waiting: AtomicBool::new(false),
            advice: Mutex::default(),
        });
        status.begin(&query);
        query
    }

    /// Its number; see [`QueryRecord::id`].
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The number of the session that runs it; see [`Session::id`](crate::Session::id).
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Its SQL text, or what stands for it.
    pub fn description(&self) -> &str {
        &self.sql
    }

    /// It waits for memory that others hold.
    pub(crate) fn waits(&self) {
        self.waiting.store(true, Ordering::Relaxed);
        let id = self.id;
        let events = &self.status.events;
        events.tell(|| EventKind::SqlExecutionWaiting { id });
    }

    /// It was let in, at once or after a while.
    pub(crate) fn begins(&self) {
        self.waiting.store(false, Ordering::Relaxed);
        let id = self.id;
        self.status.events.tell(|| EventKind::JobStart { id });
    }

    /// `is_cut` says whether it runs on fewer threads than it would with more memory.
    pub(crate) fn planned(&self, plan: Arc<dyn ExecutionPlan>, is_cut: bool) {
        let mut plans = self.plans.lock();
        (plans.running, plans.is_cut) = (Some(plan), is_cut);
        drop(plans);
        let events = &self.status.events;
        events.tell(|| EventKind::SqlExecutionPlanned {
            id: self.id,
            operators: self.shape(),
            plan_given_up: self.plans.lock().given_up.clone(),
        });
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
            rows_written: self.written.get().map(|rows| rows.load(Ordering::Relaxed)),
            execution: self.task.usage().held,
            execution_limit: self.task.limit(),
            spilled: plans.spills().iter().map(|spill| spill.bytes).sum(),
            allocated: now.allocated,
            resident: now.resident,
        }
    }

    /// How many partitions send its rows: the tasks of Spark's last stage.
    pub(crate) fn tasks(&self) -> u64 {
        self.plans.lock().running.as_ref().map_or(1, senders)
    }

    /// How many rows it will give, if that is known from the statistics of what it reads.
    pub(crate) fn rows_expected(&self) -> Option<u64> {
        let plans = self.plans.lock();
        let plan = plans.running.as_ref()?;
        let statistics =
            StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::default());
        match statistics.ok()?.num_rows {
            Precision::Exact(rows) => Some(rows as u64),
            // A guess at what a filter lets through is no advice.
            Precision::Inexact(_) | Precision::Absent => None,
        }
    }

    /// The memory that it runs in.
    pub(crate) fn task(&self) -> &Arc<TaskMemory> {
        &self.task
    }

    /// Whether its rows come in an order that was asked for.
    pub(crate) fn is_ordered(&self) -> bool {
        let plans = self.plans.lock();
        let plan = plans.running.as_ref();
        plan.is_some_and(|plan| plan.output_ordering().is_some())
    }

    /// Its rows go to files.
    pub(crate) fn begins_to_write(&self) {
        self.written.get_or_init(AtomicU64::default);
    }

    /// So many more rows are in files.
    pub(crate) fn wrote(&self, rows: u64) {
        if let Some(written) = self.written.get() {
            written.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// Another plan takes its rows, in its memory; what that spills is told with it.
    pub(crate) fn runs_beside(&self, plan: Arc<dyn ExecutionPlan>) {
        self.plans.lock().beside = Some(plan);
    }

    /// The error that it ends with.
    pub(crate) fn failure(&self, error: DataFusionError) -> Error {
        let read = {
            let plans = self.plans.lock();
            match &plans.running {
                Some(plan) => part_read(plan),
                // It was to be planned anew, and there was no other plan.
                None => plans.part_read,
            }
        };
        Error::execution(error, &self.around, |what| {
            let failure = match what {
                Lacking::Memory => {
                    let lacking = self.task.usage().most_lacking();
                    let unreserved = match lacking {
                        // Nobody refused it anything: the process was full.
                        0 => self.task.unreserved(),
                        _ => 0,
                    };
                    Failure::Memory {
                        lacking,
                        unreserved,
                        read,
                    }
                }
                Lacking::Disk { is_set } => Failure::Disk { read, is_set },
            };
            let advisor = &self.around.advisor;
            let operators = self.operators();
            let was_cut = self.plans.lock().is_cut;
            let advice = advisor.for_query(&self.seen(&operators, was_cut), Some(failure));
            self.set_advice(advice.clone());
            advice
        })
    }

    fn seen<'a>(&'a self, operators: &'a [OperatorMetrics], was_cut: bool) -> Seen<'a> {
        Seen {
            operators,
            task: &self.task,
            was_cut,
            is_counted: self.meter.peak().allocated > 0,
        }
    }

    /// What its error advises, for its record.
    pub(crate) fn set_advice(&self, advice: Vec<Advice>) {
        *self.advice.lock() = advice;
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

    /// Ends it so, unless it is over.
    pub(crate) fn end(&self, status: Status, error: Option<String>) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.status.end(self.record(status, error));
        }
    }

    /// The record of it, now that it is over.
    fn record(&self, status: Status, error: Option<String>) -> QueryRecord {
        let usage = self.task.usage();
        let peak = self.meter.peak();
        let mut plans = self.plans.lock();
        plans.end();
        let spills = plans.spills();
        let (holders_at_peak, other_holders) = named(usage.holders_at_peak);
        let mut advice = std::mem::take(&mut *self.advice.lock());
        if advice.is_empty() {
            let advisor = &self.around.advisor;
            advice = advisor.for_query(&self.seen(&plans.operators, plans.is_cut), None);
        }
        QueryRecord {
            id: self.id,
            sql: self.sql.clone(),
            status,
            error,
            plan_given_up: plans.given_up.clone(),
            rows: self.rows.load(Ordering::Relaxed),
            rows_scanned: plans.rows_scanned,
            seconds: self.started.elapsed().as_secs_f64(),
            peak_execution: usage.peak,
            peak_demand: usage.peak_demand,
            peak_overdraft: usage.peak_overdraft,
            peak_allocated: peak.allocated,
            peak_resident: peak.resident,
            overflowed: self.meter.overflowed(),
            spilled_bytes: spills.iter().map(|spill| spill.bytes).sum(),
            spill_files: spills.iter().map(|spill| spill.files).sum(),
            spills,
            broadcasts: named(plans.broadcasts.clone()).0,
            holders_at_peak,
            other_holders,
            refusals: named(usage.refusals).0,
            advice,
        }
    }
}

impl Drop for Query {
    /// One that nobody has ended was given up while it was planned.
    fn drop(&mut self) {
        self.end(Status::Cancelled, None);
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

/// The partitions whose rows a plan delivers, brought together at its end if they are several.
fn senders(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    match (plan.name(), plan.children().as_slice()) {
        (
            "CoalescePartitionsExec"
            | "SortPreservingMergeExec"
            | "OrderedMergeExec"
            | "CooperativeExec",
            [only],
        ) => senders(only),
        _ => plan.output_partitioning().partition_count() as u64,
    }
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
    /// Work that is done as it is asked for rows.
    Working(Working),
}

/// Rows that go to files and not to whoever reads.
struct Working {
    query: Arc<Query>,
    /// `None` once it is done.
    work: Option<BoxFuture<'static, Result<Vec<String>, Error>>>,
    notices: Vec<String>,
}

impl Drop for Working {
    fn drop(&mut self) {
        if self.work.take().is_some() {
            self.query.end(Status::Cancelled, None);
        }
    }
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
    delivery: Delivery,
    /// Whether somebody else ends the query, when they are done with the rows.
    stays_open: bool,
}

impl Running {
    fn end(&mut self, status: Status, error: Option<String>) {
        if self.stream.take().is_some() {
            self.query.end(status, error);
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
        delivery: Delivery,
    ) -> Self {
        Self {
            schema: stream.schema(),
            source: Source::Running(Running {
                stream: Some(stream),
                query,
                delivery,
                stays_open: false,
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

    /// A statement that works while it is asked for rows, which it has none of, and tells at its end what it has done.
    pub(crate) fn working(
        query: Arc<Query>,
        work: BoxFuture<'static, Result<Vec<String>, Error>>,
    ) -> Self {
        Self {
            schema: Arc::new(Schema::empty()),
            source: Source::Working(Working {
                query,
                work: Some(work),
                notices: Vec::new(),
            }),
        }
    }

    /// Whether the statement is one that writes: its rows go to files as it is read to its end.
    pub(crate) fn are_written(&self) -> bool {
        matches!(self.source, Source::Working(_))
    }

    /// What the person should know of a statement that has come to its end: how much was written where.
    pub fn notices(&mut self) -> Vec<String> {
        match &mut self.source {
            Source::Working(working) => std::mem::take(&mut working.notices),
            _ => Vec::new(),
        }
    }

    /// The columns; none if the statement works and answers nothing.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Counts rows that go to whoever asked for all of them, and the bytes that they take as they are sent, against
    /// `spark.driver.maxResultSize`. Rows that are read as they come and not kept need not be counted.
    ///
    /// The offsets of texts and lists, which Spark's rows do not have and which hardly compress, are not counted.
    ///
    /// # Errors
    /// [`Error::ResultTooLarge`] if it is too much in all; then the query has been ended and lets go of its memory.
    pub fn count_result(&mut self, rows: &RecordBatch, bytes: u64) -> Result<(), Error> {
        let Source::Running(running) = &mut self.source else {
            return Ok(());
        };
        let counted = running.delivery.count(&running.query, rows, bytes);
        if let Err(error) = &counted {
            running.end(Status::Failed, Some(error.to_string()));
        }
        counted
    }

    pub(crate) fn delivery(&self) -> Option<&Delivery> {
        match &self.source {
            Source::Running(running) => Some(&running.delivery),
            Source::Ready(_) | Source::Unseen(..) | Source::Working(_) => None,
        }
    }

    /// Ends the query with an error of whoever took its rows.
    pub(crate) fn fail(&mut self, error: DataFusionError) -> Error {
        let Source::Running(running) = &mut self.source else {
            return Error::Execution(error.strip_backtrace());
        };
        let error = running.query.failure(error);
        running.stream = None;
        running.query.end(Status::Failed, Some(error.to_string()));
        error
    }

    /// Leaves it to whoever reads them to say that the query has come to its end.
    pub(crate) fn leave_query_open(&mut self) {
        if let Source::Running(running) = &mut self.source {
            running.stays_open = true;
        }
    }

    /// Ends a query that was left open, now that its rows are where they were wanted.
    pub(crate) fn finish(&self) {
        if let Source::Running(running) = &self.source {
            running.query.end(Status::Finished, None);
        }
    }

    /// The query that gives these rows; none if they were there at once.
    pub fn query(&self) -> Option<Arc<Query>> {
        match &self.source {
            Source::Ready(_) => None,
            Source::Running(running) => Some(Arc::clone(&running.query)),
            Source::Unseen(rows, _) => rows.query(),
            Source::Working(working) => Some(Arc::clone(&working.query)),
        }
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let running = match &mut self.source {
            Source::Ready(batch) => return Poll::Ready(batch.take().map(Ok)),
            Source::Running(running) => running,
            Source::Working(working) => {
                let Some(work) = &mut working.work else {
                    return Poll::Ready(None);
                };
                let done = ready!(work.as_mut().poll(cx));
                working.work = None;
                return Poll::Ready(match done {
                    Ok(notices) => {
                        working.notices = notices;
                        None
                    }
                    Err(error) => Some(Err(error)),
                });
            }
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
                match running.stays_open {
                    true => running.stream = None,
                    false => running.end(Status::Finished, None),
                }
                Poll::Ready(None)
            }
        }
    }
}
