mod builder;
mod caching;
mod context;
mod plans;
mod views;
mod writes;

use std::path::Path;
use std::sync::Arc;

use datafusion::execution::context::SessionContext;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;
use parking_lot::RwLock;
use plimsoll_advisor::{Advice, for_run};
use plimsoll_conf::settings::Master;
use plimsoll_conf::{Conf, Machine, MemoryLayout, Origin, Settings, Warning};
use plimsoll_memory::{DriverMemory, DriverUsage, Pressure, TaskMemory, UnifiedMemory};

use crate::advice::Advisor;
use crate::answers;
use crate::command::Command;
use crate::dialect;
use crate::engine;
use crate::error::Error;
use crate::event::{EventKind, EventStream};
use crate::figures::MemoryFigures;
use crate::history::History;
use crate::job::Job;
use crate::path_tables::PathTables;
use crate::query::{Around, Query, Rows};
use crate::range::Range;
use crate::record::Status;
use crate::results::Delivery;
use crate::shared::{InForce, Shared};
use crate::source::{Source, open_source};
use crate::statement::{Statement, split};
use crate::status::OpenSession;
use crate::substitute::substitute;
use crate::tables;
use crate::user_functions::UserFunctions;

/// A session: settings, tables, and the memory that its queries run in. Spark's `SparkSession` in
/// local mode, where driver and executor are one process.
///
/// Sessions of one process that were opened from each other ([`Session::sibling`]) have tables and
/// settings of their own and share the memory, with the settings that make it, and the history.
pub struct Session {
    open: Arc<OpenSession>,
    context: SessionContext,
    user_functions: Arc<UserFunctions>,
    shared: Arc<Shared>,
    /// The settings that it started with, before the session changed any: those of its siblings.
    start: Conf,
    in_force: Arc<RwLock<InForce>>,
    arguments: Vec<String>,
}

/// The database of the views that all sessions of a process see.
pub(crate) const GLOBAL_VIEWS: &str = "global_temp";

/// What a change of settings came to, for whoever made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The parts of memory that have another size now, or else the setting itself if it bounds what comes: old and new.
    pub sizes: Vec<String>,
    /// What is not as it was asked for: a value that had to be lowered, a setting without effect.
    pub warnings: Vec<String>,
}

impl Changed {
    fn notices(self) -> Vec<String> {
        self.sizes.into_iter().chain(self.warnings).collect()
    }
}

pub use self::builder::SessionBuilder;
pub use self::caching::Persisted;

/// What a statement of SQL comes to, when its rows are not wanted at once.
pub enum Planned {
    /// A query that has not run.
    Query(Box<LogicalPlan>),
    /// A command that has.
    Done(Answer),
}

/// The answer to a statement.
pub struct Answer {
    /// Its rows, if it is a kind of statement that has some. One that works while it is asked for rows, and has none
    /// (COPY, CACHE TABLE), has rows without columns, to be read to their end.
    pub rows: Option<Rows>,
    /// What the person should know beside: a setting without effect, a memory that changed size.
    pub notices: Vec<String>,
}

impl Answer {
    fn rows(rows: Rows) -> Self {
        Self {
            rows: Some(rows),
            notices: Vec::new(),
        }
    }

    /// The same once it has written what it writes, if it does.
    async fn written(mut self) -> Result<Self, Error> {
        if let Some(rows) = &mut self.rows
            && rows.are_written()
        {
            rows.try_for_each(|_| async { Ok(()) }).await?;
            self.notices.extend(rows.notices());
            self.rows = None;
        }
        Ok(self)
    }

    fn done(notices: Vec<String>) -> Self {
        Self {
            rows: None,
            notices,
        }
    }
}

impl Session {
    /// Collects the settings of a session, as a program makes one.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// Starts a session with these settings on this machine. `arguments` are what `${1}`, `${2}`, …
    /// stand for in its statements. It owns the process: it may raise the line up to what the machine
    /// or the container has.
    ///
    /// # Errors
    /// If the settings are impossible, no spill directory can be made, or the system does not tell
    /// what is resident.
    pub fn new(conf: Conf, machine: Machine, arguments: Vec<String>) -> Result<Self, Error> {
        let shared = Shared::new(conf.clone(), machine, false)?;
        Self::within(Arc::new(shared), conf, arguments)
    }

    /// Starts the first session of a server: neither it nor its siblings can raise the line.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn of_server(conf: Conf, machine: Machine) -> Result<Self, Error> {
        let shared = Shared::new(conf.clone(), machine, true)?;
        Self::within(Arc::new(shared), conf, Vec::new())
    }

    /// Another session in the same memory: with the settings that this one started with, its tables and
    /// views as they are now, and views and settings of its own from there on. The settings of memory are
    /// shared: what one session sets holds for all.
    ///
    /// # Errors
    /// If a table cannot be looked up.
    pub async fn sibling(&self) -> Result<Self, Error> {
        let sibling = Self::within(
            Arc::clone(&self.shared),
            self.start.clone(),
            self.arguments.clone(),
        )?;
        let state = self.state();
        let schema = state.schema_for_ref("t").map_err(internal)?;
        for name in schema.table_names() {
            if let Some(table) = schema.table(&name).await.map_err(internal)? {
                sibling
                    .context
                    .register_table(quoted(&name), table)
                    .map_err(internal)?;
            }
        }
        Ok(sibling)
    }

    /// The same session for another holder.
    fn again(&self) -> Self {
        Self {
            open: Arc::clone(&self.open),
            context: self.context.clone(),
            user_functions: Arc::clone(&self.user_functions),
            shared: Arc::clone(&self.shared),
            start: self.start.clone(),
            in_force: Arc::clone(&self.in_force),
            arguments: self.arguments.clone(),
        }
    }

    fn within(shared: Arc<Shared>, conf: Conf, arguments: Vec<String>) -> Result<Self, Error> {
        let in_force = shared.in_force(conf.clone())?;
        let runtime = Arc::clone(&shared.runtime);
        let threads = threads(&in_force.settings, &shared.machine);
        let memory = in_force.layout.executor.unified.bytes;
        let config = engine::config(&in_force.settings, threads, memory);
        let partitions = in_force.settings.sql.shuffle_partitions as usize;
        let context = SessionContext::new_with_state(engine::state(config, runtime, partitions));
        PathTables::register(&context).map_err(internal)?;
        context.register_udtf("range", Arc::new(Range));
        // These take patterns of another language than Spark's; a front end may register its own.
        for name in ["date_format", "to_date", "to_timestamp"] {
            context.deregister_udf(name);
        }
        if let Some(catalog) = context.catalog("spark_catalog") {
            let views = Arc::clone(&shared.global_views);
            catalog
                .register_schema(GLOBAL_VIEWS, views)
                .map_err(internal)?;
        }
        Ok(Self {
            open: Arc::new(shared.status.open_session()),
            context,
            user_functions: Arc::default(),
            shared,
            start: conf,
            in_force: Arc::new(RwLock::new(in_force)),
            arguments,
        })
    }

    /// Registers each Parquet, CSV or JSON file, or folder of files, in `directory` as a table.
    ///
    /// # Errors
    /// If there is none, or one cannot be read.
    pub async fn register_tables(&self, directory: &Path) -> Result<(), Error> {
        for found in tables::discover(directory)? {
            let path = found.path.to_string_lossy();
            let source = Source::of_path(found.format, &path).self_describing();
            let table = open_source(&self.state(), &source).await?;
            self.context
                .register_table(quoted(&found.name), table)
                .map_err(internal)?;
        }
        Ok(())
    }

    /// Runs one statement of `script`, which it was cut from by [`split`]. Rows come as they are
    /// read from the answer.
    ///
    /// # Errors
    /// As [`Error`] says; what is wrong with the rows themselves comes with the rows.
    pub async fn run(&self, statement: &Statement, script: &str) -> Result<Answer, Error> {
        let substituted = self.substituted(statement)?;
        let (statement, script) = match &substituted {
            Some(statement) => (statement, statement.text()),
            None => (statement, script),
        };
        match Command::parse(statement)? {
            Command::Query => self.query(statement, script).await.map(Answer::rows),
            Command::Set { key, value } => self.set(&key, &value),
            Command::Show { key } => {
                self.answer(answers::setting(&self.in_force().read().conf, &key))
            }
            Command::ShowAll { verbose } => {
                self.answer(answers::settings(&self.in_force().read().conf, verbose))
            }
            Command::Reset { key } => self.reset(key.as_deref()),
            Command::ViewOfFiles { view, files } => self.view_of_files(&view, &files).await,
            Command::ViewOfQuery { view, query } => self.view_of_query(&view, query).await,
            Command::DropView { name, if_exists } => self.drop_view(&name, if_exists),
            Command::Cache(cache) => self.cache_table(&cache).await,
            Command::Uncache { name, if_exists } => self.uncache_table(&name, if_exists).await,
            Command::ClearCache => {
                self.clear_cache();
                Ok(Answer::done(Vec::new()))
            }
            Command::ShowCache => self.show_cache(),
            Command::RefreshTable { name } => self.refresh_table(&name).await,
            Command::RefreshPath { path } => {
                self.refresh_path(&path);
                Ok(Answer::done(Vec::new()))
            }
            Command::ShowTables { pattern } => {
                self.answer(answers::tables(&self.table_names()?, pattern.as_deref()))
            }
            Command::Describe { table } => self.describe(&table, statement, script).await,
            Command::Copy(copy) => self.copy(copy, statement).await,
        }
    }

    /// Runs a script of one statement: the short way for programs and tests. What writes files has written them when this
    /// returns.
    ///
    /// # Errors
    /// As [`Session::run`]; and if the script is not one statement.
    pub async fn sql(&self, script: &str) -> Result<Answer, Error> {
        let mut statements = split(script).into_iter();
        match (statements.next(), statements.next()) {
            (Some(statement), None) => self.run(&statement?, script).await?.written().await,
            _ => Err(Error::NotSupported(
                "one statement is expected; cut a script into statements with split()".into(),
            )),
        }
    }

    /// The names of the tables and views, in order.
    ///
    /// # Errors
    /// If the default schema is gone.
    pub fn table_names(&self) -> Result<Vec<String>, Error> {
        let state = self.state();
        let schema = state
            .schema_for_ref("t")
            .map_err(|error| Error::Table(error.strip_backtrace()))?;
        let mut names = schema.table_names();
        names.sort();
        Ok(names)
    }

    /// The memory layout in force now.
    pub fn layout(&self) -> MemoryLayout {
        self.in_force().read().layout.clone()
    }

    /// The settings in force now.
    pub fn conf(&self) -> Conf {
        self.in_force().read().conf.clone()
    }

    /// Removes the spill files of all queries, whether they are still at it or not: for a process that
    /// ends without waiting for them.
    pub fn remove_spill_files(&self) {
        self.shared.spill.remove();
    }

    /// A directory for files of this session that is gone when the process is, even if it is killed: then
    /// the next one to start removes it.
    pub fn local_directory(&self) -> &Path {
        self.shared.spill.first()
    }

    /// A disk manager over the session's spill directories, for plans that run in its memory and not as its queries.
    pub fn disk_manager(&self) -> DiskManagerBuilder {
        let most = self.in_force().read().settings.spill.max_size;
        self.shared.spill.disk_manager(most)
    }

    /// Its number: the sessions of a process are counted from 0.
    pub fn id(&self) -> u64 {
        self.open.id
    }

    /// Who holds what of the memory now, measured and reserved; and the queries that run.
    pub fn memory(&self) -> MemoryFigures {
        MemoryFigures::of(&self.shared, self.layout().line.bytes)
    }

    /// What happens from now on in all sessions of the process, as a stream. It costs nothing as long as nobody listens.
    pub fn events(&self) -> EventStream {
        self.shared.status.events.listen()
    }

    /// The unified memory that queries share.
    pub fn unified_memory(&self) -> &Arc<UnifiedMemory> {
        &self.shared.memory
    }

    /// What the driver holds, and may hold: results that are being collected, broadcasts that are being built, metadata.
    pub fn driver_memory(&self) -> DriverUsage {
        self.shared.driver.usage()
    }

    /// The books of what the driver holds, for a front end that holds results itself until they are read.
    pub fn driver_books(&self) -> Arc<DriverMemory> {
        Arc::clone(&self.shared.driver)
    }

    /// The queries that are over.
    pub fn history(&self) -> History {
        self.shared.status.history()
    }

    /// The meter of the process, and what keeps it under its line.
    pub fn pressure(&self) -> &Pressure {
        &self.shared.pressure
    }

    /// DataFusion's state of this session, for planning: tables, functions, options. What is to run goes to
    /// [`run_plan`](Self::run_plan), or is made of the [`context`](Self::context): outside of them nothing is granted
    /// memory.
    pub fn state(&self) -> SessionState {
        self.context.state()
    }

    /// The settings, with what other sessions have done to the memory since they were last looked at.
    fn in_force(&self) -> &RwLock<InForce> {
        self.shared.refresh(&self.in_force);
        &self.in_force
    }

    fn answer(&self, rows: Result<Rows, Error>) -> Result<Answer, Error> {
        rows.map(Answer::rows)
    }

    /// The statement with its variables put in, if it has any.
    fn substituted(&self, statement: &Statement) -> Result<Option<Statement>, Error> {
        let in_force = self.in_force().read();
        if !in_force.settings.sql.variable_substitute || !statement.text().contains("${") {
            return Ok(None);
        }
        let text = substitute(statement.text(), &in_force.conf, &self.arguments)?;
        split(&text).into_iter().next().transpose()
    }

    async fn query(&self, statement: &Statement, script: &str) -> Result<Rows, Error> {
        let task = TaskMemory::new(Arc::clone(&self.shared.memory));
        let query = Query::new(
            &self.shared.status,
            self.id(),
            statement.text(),
            Arc::clone(&task),
            self.shared.pressure.meter().guard(),
            self.around(),
        );
        let planned = dialect::plan(&self.state(), statement.text()).await;
        let started = match planned {
            Ok(plan) => self.start(plan, &query, task).await,
            Err(error) => Err(error),
        };
        started.map_err(|error| {
            let error = Error::planning(error, statement, script);
            self.failed(&query, &error);
            error
        })
    }

    /// Plans a statement; commands run at once, queries do not.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn plan(&self, script: &str) -> Result<Planned, Error> {
        let mut statements = split(script).into_iter();
        let (Some(statement), None) = (statements.next(), statements.next()) else {
            return Err(Error::NotSupported("one statement is expected".into()));
        };
        let statement = statement?;
        let statement = self.substituted(&statement)?.unwrap_or(statement);
        match Command::parse(&statement)? {
            Command::Query => {
                let plan = self.logical_plan(statement.text()).await?;
                Ok(Planned::Query(Box::new(plan)))
            }
            _ => self.run(&statement, script).await.map(Planned::Done),
        }
    }

    /// Runs a plan. `description` stands for it in the history.
    ///
    /// # Errors
    /// If it cannot be planned; what is wrong with the rows comes with the rows.
    pub async fn run_plan(&self, plan: LogicalPlan, description: &str) -> Result<Rows, Error> {
        let task = TaskMemory::new(Arc::clone(&self.shared.memory));
        let query = Query::new(
            &self.shared.status,
            self.id(),
            description,
            Arc::clone(&task),
            self.shared.pressure.meter().guard(),
            self.around(),
        );
        self.start(plan, &query, task).await.map_err(|error| {
            let error = Error::planning_of(error);
            self.failed(&query, &error);
            error
        })
    }

    fn around(&self) -> Around {
        Around {
            line: self.in_force().read().layout.line.bytes,
            spill_directories: self.shared.spill.describe(),
            advisor: self.advisor(),
        }
    }

    fn advisor(&self) -> Advisor {
        Advisor {
            conf: self.conf(),
            machine: self.shared.machine.clone(),
            ceiling: self.shared.ceiling,
            cache: Arc::clone(&self.shared.cache),
        }
    }

    /// What would have helped the queries that are over, and what is cached: at most three changes, most helpful first;
    /// none if nothing was spilled or evicted, and nothing failed for lack of memory.
    pub fn advice(&self) -> Vec<Advice> {
        let history = self.history();
        let of_queries = history.records().flat_map(|record| record.advice);
        let of_cache = self.advisor().for_cache(history.peak_demand());
        for_run(of_queries.chain(of_cache))
    }

    fn failed(&self, query: &Query, error: &Error) {
        query.end(Status::Failed, Some(error.to_string()));
    }

    /// Plans a query and starts it in the memory of its own task.
    async fn start(
        &self,
        logical: LogicalPlan,
        query: &Arc<Query>,
        task: Arc<TaskMemory>,
    ) -> datafusion::common::Result<Rows> {
        let state = self.state();
        let (threads, config, fan_in, max_spill, join_partitions) = {
            let in_force = self.in_force().read();
            let memory = task.limit();
            let threads = threads(&in_force.settings, &self.shared.machine);
            let partitions = engine::partitions(memory, threads);
            (
                threads,
                engine::config(&in_force.settings, partitions, memory)
                    .with_extension(self.shared.broadcasts(&in_force.settings)),
                engine::merge_fan_in(memory, partitions),
                in_force.settings.spill.max_size,
                in_force.settings.sql.shuffle_partitions as usize,
            )
        };
        let runs_user_code = self.user_functions.are_in(&logical)?;
        let logical = self.with_cached(logical)?;
        let job = Job {
            runs_user_code,
            logical,
            state,
            config,
            threads,
            join_partitions,
            disk: self
                .shared
                .spill
                .disk_manager(max_spill)
                .with_max_spill_merge_fan_in(fan_in),
            task,
            query: Arc::clone(query),
        };
        let task = Arc::clone(&job.task);
        let stream = task.at_work(job.start()).await?;
        Ok(Rows::running(stream, Arc::clone(query), self.delivery()))
    }

    /// What a query's rows are counted and collected with: the settings as they are when it starts.
    fn delivery(&self) -> Delivery {
        let in_force = self.in_force().read();
        let settings = &in_force.settings;
        Delivery::new(
            Arc::clone(&self.shared.driver),
            self.shared.spill.disk_manager(settings.spill.max_size),
            settings.memory.max_result_size,
            settings.spill.codec,
        )
    }

    fn set(&self, key: &str, value: &str) -> Result<Answer, Error> {
        let notices = self.set_setting(key, value, Origin::Set)?.notices();
        Ok(Answer {
            notices,
            ..self.answer(answers::setting(&self.in_force().read().conf, key))?
        })
    }

    fn reset(&self, key: Option<&str>) -> Result<Answer, Error> {
        let notices = match key {
            Some(key) => self.unset_setting(key)?.notices(),
            None => self
                .apply(None, |conf| {
                    conf.unset_all();
                    Ok(())
                })?
                .notices(),
        };
        Ok(Answer::done(notices))
    }

    /// Sets `key`. A size that is more than there is, is lowered to what there is.
    ///
    /// # Errors
    /// If the value does not suit, the key cannot be changed any more, or the memory would be
    /// impossible.
    pub fn set_setting(&self, key: &str, value: &str, origin: Origin) -> Result<Changed, Error> {
        self.change(key, |conf| Ok(conf.set(key, value, origin)?))
    }

    /// Takes back what this session set `key` to.
    ///
    /// # Errors
    /// If the key cannot be changed any more, or the memory would be impossible.
    pub fn unset_setting(&self, key: &str) -> Result<Changed, Error> {
        self.change(key, |conf| Ok(conf.unset(key)?))
    }

    fn change(
        &self,
        key: &str,
        change: impl FnOnce(&mut Conf) -> Result<(), Error>,
    ) -> Result<Changed, Error> {
        let mut changed = self.apply(Some(key), change)?;
        let warning = self.in_force().read().conf.warning_about(key);
        changed
            .warnings
            .extend(warning.as_ref().map(Warning::to_string));
        Ok(changed)
    }

    /// Changes the settings and gives the memory the sizes they now come to, or leaves all as it is
    /// if they come to something impossible.
    fn apply(
        &self,
        key: Option<&str>,
        change: impl FnOnce(&mut Conf) -> Result<(), Error>,
    ) -> Result<Changed, Error> {
        let layout = self.layout();
        let value = || Some(self.conf().get(key?)?.0.to_owned());
        let old = value();
        let mut changed = self.shared.change(&self.in_force, key, change)?;
        let next = self.layout();
        let events = &self.shared.status.events;
        events.tell(|| EventKind::EnvironmentUpdate {
            session: self.id(),
            key: key.map(str::to_owned),
            old,
            new: value(),
            sizes: changed.sizes.clone(),
        });
        if next.warnings != layout.warnings {
            let warnings = next.warnings.iter().map(ToString::to_string);
            changed.warnings.extend(warnings);
        }
        Ok(changed)
    }
}

fn threads(settings: &Settings, machine: &Machine) -> usize {
    match settings.master {
        Master::Local { threads } => threads.unwrap_or(machine.cores).get(),
    }
}

/// A name as a table reference: taken as it is, dots and capitals included.
fn quoted(name: &str) -> datafusion::common::TableReference {
    datafusion::common::TableReference::bare(name.to_owned())
}

/// An error of the engine where nothing that a person wrote can be wrong.
fn internal(error: datafusion::common::DataFusionError) -> Error {
    Error::Execution(error.strip_backtrace())
}
