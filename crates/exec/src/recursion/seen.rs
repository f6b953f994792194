use std::sync::{Arc, Weak};

use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, JoinType, NullEquality, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use parking_lot::Mutex;
use plimsoll_memory::{Reclaim, TaskMemory};

use super::table::{Rows, WorkingTableExec};
use crate::aggregate::HybridHashAggregateExec;
use crate::batches::{bytes_of, content_bytes, with_rows};
use crate::hash_join::HybridHashJoinExec;
use crate::reserve::take_at_least;
use crate::spill::{Disk, Run, RunFile};

/// What the table takes whether there is memory or not, in bytes: the least that it works with.
const LEAST: usize = 64 << 10;

/// The rows that a recursive `UNION` has had, each once.
pub(crate) struct Seen {
    schema: SchemaRef,
    batch_size: usize,
    partitions: usize,
    disk: Arc<Disk>,
    /// Takes nothing itself; what is reserved elsewhere is of its consumer.
    memory: MemoryReservation,
    task: Option<Arc<TaskMemory>>,
    state: Mutex<State>,
    /// How often it went to disk: once at most.
    spilled: Count,
    /// How often memory was taken back while nobody asked for it.
    reclaimed: Count,
}

enum State {
    InMemory(Table),
    OnDisk(List),
    /// Why the rows could not be written when memory was taken back: the query ends with it.
    Failed(Option<DataFusionError>),
}

struct Table {
    rows: Box<dyn GroupValues>,
    memory: MemoryReservation,
    /// The number of each row of the batch that is looked up.
    numbers: Vec<usize>,
}

struct List {
    file: Arc<RunFile>,
    run: Run,
    /// The latest rows, too few to be written.
    latest: Vec<RecordBatch>,
    /// Covers the latest.
    memory: MemoryReservation,
    /// How many rows the table had when it went to disk, and the bytes that it took.
    table_rows: u128,
    table_bytes: u128,
}

impl Seen {
    /// # Errors
    /// If rows of this schema cannot be told apart.
    pub(crate) fn new(
        schema: &SchemaRef,
        partitions: usize,
        disk: &Arc<Disk>,
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Arc<Self>> {
        let memory = MemoryConsumer::new("RecursiveQueryHashTable")
            .with_can_spill(true)
            .register(context.memory_pool());
        let table = Table {
            rows: new_group_values(Arc::clone(schema), &GroupOrdering::None)?,
            memory: memory.new_empty(),
            numbers: Vec::new(),
        };
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, 0);
        let seen = Arc::new(Self {
            schema: Arc::clone(schema),
            batch_size: context.session_config().batch_size().max(1),
            partitions,
            disk: Arc::clone(disk),
            state: Mutex::new(State::InMemory(table)),
            spilled: counter("spilled_tables"),
            reclaimed: counter("reclaimed"),
            task: TaskMemory::of(context.memory_pool()),
            memory,
        });
        if let Some(task) = &seen.task {
            let offer: Weak<Self> = Arc::downgrade(&seen);
            task.offer(&seen.memory, offer);
        }
        Ok(seen)
    }

    /// The rows of a batch that there were not before, each once, which from now on there were; `None` if that takes a
    /// [check](Self::check).
    ///
    /// # Errors
    /// If rows cannot be written to disk.
    pub(crate) fn new_among(&self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let mut state = self.state.lock();
        let table = match &mut *state {
            State::InMemory(table) => table,
            State::OnDisk(_) => return Ok(None),
            State::Failed(error) => return Err(failed(error)),
        };
        let new = table.take_in(batch)?;
        let size = table.rows.size();
        if table.memory.try_resize(size).is_err() {
            if size <= LEAST {
                table.memory.resize(size);
            } else {
                state.spill(self)?;
            }
        }
        Ok(Some(new))
    }

    /// A plan that comes to the rows that there were not before, each once, after the table went to disk. Its rows are to be
    /// [added](Self::add).
    ///
    /// # Errors
    /// If the table is in memory, or the operators do not fit together.
    pub(crate) fn check(&self, rows: Rows) -> Result<Arc<dyn ExecutionPlan>> {
        let seen = match &mut *self.state.lock() {
            State::OnDisk(list) => {
                Rows::Listed(list.latest.clone(), list.run.reader(self.batch_size))
            }
            State::Failed(error) => return Err(failed(error)),
            State::InMemory(_) => return internal_err!("rows wait for a table that is there"),
        };
        let distinct = self.distinct(Arc::new(self.leaf("step", rows)))?;
        let columns = self
            .columns()
            .map(|(column, _)| (Arc::clone(&column), column));
        let join = HashJoinExec::try_new(
            distinct,
            Arc::new(self.leaf("seen", seen)),
            columns.collect(),
            None,
            &JoinType::LeftAnti,
            None,
            PartitionMode::CollectLeft,
            NullEquality::NullEqualsNull,
            false,
        )?;
        Ok(Arc::new(HybridHashJoinExec::new(&join, self.partitions)?))
    }

    /// Each of the rows once.
    fn distinct(&self, rows: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let aggregate = AggregateExec::try_new(
            AggregateMode::Single,
            PhysicalGroupBy::new_single(self.columns().collect()),
            Vec::new(),
            Vec::new(),
            rows,
            Arc::clone(&self.schema),
        )?;
        let aggregate: Arc<dyn ExecutionPlan> = Arc::new(aggregate);
        Ok(
            match HybridHashAggregateExec::of(&aggregate, self.partitions) {
                Some(ours) => Arc::new(ours),
                None => aggregate,
            },
        )
    }

    fn leaf(&self, name: &str, rows: Rows) -> WorkingTableExec {
        WorkingTableExec::of(name, rows, &self.schema)
    }

    fn columns(&self) -> impl Iterator<Item = (PhysicalExprRef, String)> {
        let fields = self.schema.fields().iter().enumerate();
        fields.map(|(at, field)| {
            let column: PhysicalExprRef = Arc::new(Column::new(field.name(), at));
            (column, field.name().clone())
        })
    }

    /// Adds rows that a [check](Self::check) has found, and returns them as rows of the query.
    ///
    /// # Errors
    /// If they cannot be written to disk.
    pub(crate) fn add(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let rows = with_rows(&self.schema, rows.columns().to_vec(), rows.num_rows())?;
        match &mut *self.state.lock() {
            State::OnDisk(list) => list.add(rows.clone(), self)?,
            State::Failed(error) => return Err(failed(error)),
            State::InMemory(_) => return internal_err!("rows were checked with no list"),
        }
        Ok(rows)
    }
}

/// The error of a query that has failed.
fn failed(error: &mut Option<DataFusionError>) -> DataFusionError {
    error.take().unwrap_or_else(|| {
        DataFusionError::Execution("the recursive query has failed before".to_string())
    })
}

impl Table {
    /// Takes in a batch, and returns those of its rows that were not there, each once.
    fn take_in(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut known = self.rows.len();
        self.numbers.clear();
        self.rows.intern(batch.columns(), &mut self.numbers)?;
        // Numbers are given in turn: a row is new where its number is higher than all before.
        let is_new = self.numbers.iter().map(|number| {
            let is_new = *number >= known;
            known = known.max(number + 1);
            Some(is_new)
        });
        let is_new: BooleanArray = is_new.collect();
        Ok(filter_record_batch(batch, &is_new)?)
    }
}

impl List {
    fn add(&mut self, rows: RecordBatch, seen: &Seen) -> Result<()> {
        take_at_least(&self.memory, bytes_of(&rows));
        self.latest.push(rows);
        let rows: usize = self.latest.iter().map(RecordBatch::num_rows).sum();
        if rows < seen.batch_size && self.memory.size() < LEAST {
            return Ok(());
        }
        let latest = concat_batches(&seen.schema, &self.latest)?;
        self.file
            .append(&mut self.run, &latest, bytes_of(&latest))?;
        self.latest.clear();
        self.memory.free();
        self.note_in_full(seen);
        Ok(())
    }

    /// Notes what the table would take by now, had it stayed in memory.
    fn note_in_full(&self, seen: &Seen) {
        if let Some(task) = &seen.task {
            let bytes = self.run.rows as u128 * self.table_bytes / self.table_rows.max(1);
            task.would_hold(&seen.memory, bytes as u64);
        }
    }
}

impl State {
    /// Writes the table to disk, if it is in memory, and returns how many bytes that freed.
    fn spill(&mut self, seen: &Seen) -> Result<usize> {
        let State::InMemory(table) = self else {
            return Ok(0);
        };
        let file = RunFile::create(&seen.disk, &seen.schema)?;
        let (count, size) = (table.rows.len(), table.rows.size());
        let columns = table.rows.emit(EmitTo::All)?;
        let rows = with_rows(&seen.schema, columns, count)?;
        let mut run = Run::default();
        for start in (0..count).step_by(seen.batch_size) {
            let piece = rows.slice(start, seen.batch_size.min(count - start));
            file.append(&mut run, &piece, content_bytes(&piece))?;
        }
        let freed = table.memory.free();
        seen.spilled.add(1);
        let list = List {
            file,
            run,
            latest: Vec::new(),
            memory: seen.memory.new_empty(),
            table_rows: count as u128,
            table_bytes: size as u128,
        };
        list.note_in_full(seen);
        *self = State::OnDisk(list);
        Ok(freed)
    }
}

impl Reclaim for Seen {
    fn reclaimable(&self) -> u64 {
        match self.state.try_lock().as_deref() {
            Some(State::InMemory(table)) if table.memory.size() > LEAST => {
                table.memory.size() as u64
            }
            _ => 0,
        }
    }

    fn reclaim(&self, _bytes: u64) -> u64 {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        let held = match &*state {
            State::InMemory(table) => table.memory.size(),
            _ => 0,
        };
        match state.spill(self) {
            Ok(0) => 0,
            Ok(freed) => {
                self.reclaimed.add(1);
                freed as u64
            }
            Err(error) => {
                // Some rows are lost, so that the query cannot go on: what they held is free.
                *state = State::Failed(Some(error));
                held as u64
            }
        }
    }
}
