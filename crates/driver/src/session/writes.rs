//! Rows written as files: `df.write`, `COPY … TO`, `INSERT OVERWRITE DIRECTORY`, `--output parquet:PATH`.

use std::path::Path;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use futures::FutureExt;
use futures::future::BoxFuture;
use plimsoll_conf::fmt_bytes;
use plimsoll_memory::TaskMemory;

use super::{Answer, Session, internal, threads};
use crate::command::{Command, Copy};
use crate::dialect;
use crate::engine;
use crate::error::Error;
use crate::query::{Query, Rows};
use crate::source::{FileTable, local_path, url};
use crate::statement::Statement;
use crate::write::{SaveMode, Surroundings, Write, WriteRequest, Written};

/// Whether an overwrite replaces all partitions or just those that it writes.
const OVERWRITE_MODE: &str = "partitionoverwritemode";

/// A query whose rows are on their way to files.
struct Writing {
    query: Arc<Query>,
    work: BoxFuture<'static, Result<Written, Error>>,
}

impl Session {
    /// Runs a plan and writes its rows as files.
    ///
    /// # Errors
    /// If there is something at the path that the mode does not allow for, the plan fails, or the disk
    /// does. Nothing is left of a write that failed.
    pub async fn write(&self, plan: LogicalPlan, request: WriteRequest) -> Result<Written, Error> {
        let description = format!("write {} to {}", request.format, request.path);
        match self.writing(plan, request, &description).await? {
            Some(writing) => writing.work.await,
            None => Ok(Written {
                is_ignored: true,
                ..Written::default()
            }),
        }
    }

    /// Runs a query of `script` and writes its rows as files while the answer is read, which has none.
    ///
    /// # Errors
    /// As [`Session::run`] and [`Session::write`]; and if the statement is no query, or reads what it would overwrite.
    pub async fn run_into(
        &self,
        statement: &Statement,
        script: &str,
        request: WriteRequest,
    ) -> Result<Answer, Error> {
        let substituted = self.substituted(statement)?;
        let (statement, script) = match &substituted {
            Some(statement) => (statement, statement.text()),
            None => (statement, script),
        };
        if Command::parse(statement)? != Command::Query {
            return Err(Error::NotSupported(
                "the rows of a query can be written to files, and this is none".to_owned(),
            ));
        }
        let plan = dialect::plan(&self.state(), statement.text()).await;
        let plan = plan.map_err(|error| Error::planning(error, statement, script))?;
        self.write_unread(plan, request, statement.text()).await
    }

    pub(super) async fn copy(&self, copy: Copy, statement: &Statement) -> Result<Answer, Error> {
        let plan = self.logical_plan(&copy.query).await?;
        let mut request = copy.request;
        let mode = self.conf();
        let mode = mode.get("spark.sql.sources.partitionOverwriteMode");
        if let Some((mode, _)) = mode
            && !request.partition_by.is_empty()
        {
            let mode = mode.to_owned();
            let set = request.options.entry(OVERWRITE_MODE.to_owned());
            set.or_insert(mode);
        }
        self.write_unread(plan, request, statement.text()).await
    }

    /// Writes the rows of a plan that reads nothing of what is overwritten.
    async fn write_unread(
        &self,
        plan: LogicalPlan,
        request: WriteRequest,
        description: &str,
    ) -> Result<Answer, Error> {
        if request.mode == SaveMode::Overwrite {
            self.refuse_to_overwrite_source(&plan, &request.path)?;
        }
        let path = request.path.clone();
        let Some(Writing { query, work }) = self.writing(plan, request, description).await? else {
            return Ok(Answer::done(vec![format!(
                "nothing was written: there is something at {path} already"
            )]));
        };
        let work = work.map(move |written| Ok(vec![told(&written?, &path)]));
        Ok(Answer::rows(Rows::working(query, work.boxed())))
    }

    /// Starts a query whose rows are written; none if the mode says that there is nothing to do.
    async fn writing(
        &self,
        plan: LogicalPlan,
        request: WriteRequest,
        description: &str,
    ) -> Result<Option<Writing>, Error> {
        let path = request.path.clone();
        let Some(write) = Write::begin(request)? else {
            return Ok(None);
        };
        let rows = self.run_plan(plan, description).await?;
        let query = rows.query();
        let query = query.ok_or_else(|| Error::Execution("these rows are of no query".into()))?;
        let around = self.surroundings(query.task())?;
        let shared = Arc::clone(&self.shared);
        // Apart from whoever waits for it, who may be the thread that hears of signals.
        let task = SpawnedTask::spawn(async move {
            let written = write.run(rows, around).await;
            // What was computed from files that were there is out of date.
            shared.cache.refresh_path(&path);
            written
        });
        let work = async move {
            let ended = task.join().await;
            ended.map_err(|error| Error::Execution(format!("writing broke off: {error}")))?
        };
        Ok(Some(Writing {
            query,
            work: work.boxed(),
        }))
    }

    fn surroundings(&self, task: &Arc<TaskMemory>) -> Result<Surroundings, Error> {
        let settings = self.in_force().read().settings.clone();
        let threads = threads(&settings, &self.shared.machine);
        Ok(Surroundings {
            context: self.context_of(task, threads)?,
            threads,
            time_zone: settings.sql.time_zone.unwrap_or_else(|| "UTC".to_owned()),
        })
    }

    /// What an operator beside a query's plan runs in: the memory of the query and the session's disks.
    fn context_of(
        &self,
        task: &Arc<TaskMemory>,
        threads: usize,
    ) -> Result<Arc<TaskContext>, Error> {
        let (config, disk) = {
            let in_force = self.in_force().read();
            let memory = task.limit();
            let partitions = engine::partitions(memory, threads);
            let disk = self
                .shared
                .spill
                .disk_manager(in_force.settings.spill.max_size);
            (
                engine::config(&in_force.settings, partitions, memory)
                    .with_create_default_catalog_and_schema(false),
                disk.with_max_spill_merge_fan_in(engine::merge_fan_in(memory, partitions)),
            )
        };
        let state = self.state();
        let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env())
            .with_disk_manager_builder(disk)
            .with_memory_pool(Arc::clone(task) as _)
            .build_arc()
            .map_err(internal)?;
        let state = SessionStateBuilder::new_from_existing(state)
            .with_config(config)
            .with_runtime_env(runtime)
            .build();
        Ok(state.task_ctx())
    }

    /// As Spark's `DDLUtils.verifyNotReadPath`, and for parts of what is read too: what is read from the target would be
    /// gone for the next time.
    fn refuse_to_overwrite_source(&self, plan: &LogicalPlan, path: &str) -> Result<(), Error> {
        let path = local_path(path)?;
        let target = path.canonicalize().unwrap_or(path);
        match reads_within(&self.compared(plan.clone())?.plan, &target) {
            true => Err(Error::OverwritesSource(url(&target))),
            false => Ok(()),
        }
    }
}

/// Whether a plan reads a file that is at this path or below it.
fn reads_within(plan: &LogicalPlan, path: &Path) -> bool {
    let mut reads = false;
    let visited = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(table) = source_as_provider(&scan.source)
            && let Some(files) = table.downcast_ref::<FileTable>()
        {
            reads |= files.reads_within(path);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    reads || visited.is_err()
}

/// What was written, for the person who asked for it.
fn told(written: &Written, path: &str) -> String {
    let count = |number: u64, what: &str| match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    };
    format!(
        "wrote {} to {path}: {}, {}",
        count(written.rows, "row"),
        count(written.files, "file"),
        fmt_bytes(written.bytes)
    )
}
