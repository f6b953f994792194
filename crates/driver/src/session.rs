mod views;

use std::path::Path;
use std::sync::Arc;

use datafusion::execution::context::SessionContext;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use parking_lot::{Mutex, RwLock};
use plimsoll_conf::settings::Master;
use plimsoll_conf::{Conf, Machine, MemoryLayout, Origin, Settings, Warning};
use plimsoll_memory::{MemoryMode, Meter, Region, TaskMemory, UnifiedMemory};

use crate::answers;
use crate::command::Command;
use crate::engine;
use crate::error::Error;
use crate::format::ReadOptions;
use crate::history::History;
use crate::job::Job;
use crate::path_tables::PathTables;
use crate::query::{Query, Rows, SharedHistory};
use crate::record::Status;
use crate::spill::SpillDirectories;
use crate::statement::{Statement, split};
use crate::substitute::substitute;
use crate::tables;

/// A session: settings, tables, and the memory that its queries run in. Spark's `SparkSession` in
/// local mode, where driver and executor are one process.
pub struct Session {
    context: SessionContext,
    machine: Machine,
    memory: Arc<UnifiedMemory>,
    in_force: RwLock<InForce>,
    arguments: Vec<String>,
    meter: Meter,
    history: SharedHistory,
    /// Last, so that it outlives whatever may have files in it.
    spill: SpillDirectories,
}

/// The settings, and what they come to.
struct InForce {
    conf: Conf,
    settings: Settings,
    layout: MemoryLayout,
}

impl InForce {
    fn new(conf: Conf, machine: &Machine) -> Result<Self, Error> {
        let settings = conf.settings()?;
        let layout = MemoryLayout::new(&settings, machine)?;
        Ok(Self {
            conf,
            settings,
            layout,
        })
    }
}

/// The answer to a statement.
pub struct Answer {
    /// Its rows, if it is a kind of statement that has some.
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

    fn done(notices: Vec<String>) -> Self {
        Self {
            rows: None,
            notices,
        }
    }
}

impl Session {
    /// Starts a session with these settings on this machine. `arguments` are what `${1}`, `${2}`, …
    /// stand for in its statements.
    ///
    /// # Errors
    /// If the settings are impossible, no spill directory can be made, or the system does not tell
    /// what is resident.
    pub fn new(conf: Conf, machine: Machine, arguments: Vec<String>) -> Result<Self, Error> {
        let in_force = InForce::new(conf, &machine)?;
        let (on_heap, off_heap) = regions(&in_force.layout);
        let memory = UnifiedMemory::new(on_heap, off_heap);
        let spill = SpillDirectories::create(&in_force.settings.local_dirs)?;
        let meter = Meter::start().map_err(|source| Error::System {
            what: "cannot watch resident memory".into(),
            source,
        })?;
        let runtime = RuntimeEnvBuilder::new().build_arc().map_err(internal)?;
        let threads = threads(&in_force.settings, &machine);
        let config = engine::config(&in_force.settings, threads, on_heap.size());
        let context = SessionContext::new_with_state(engine::state(config, runtime));
        PathTables::register(&context).map_err(internal)?;
        Ok(Self {
            context,
            machine,
            memory,
            in_force: RwLock::new(in_force),
            arguments,
            meter,
            history: Arc::new(Mutex::new(History::default())),
            spill,
        })
    }

    /// Registers each Parquet, CSV or JSON file, or folder of files, in `directory` as a table.
    ///
    /// # Errors
    /// If there is none, or one cannot be read.
    pub async fn register_tables(&self, directory: &Path) -> Result<(), Error> {
        for found in tables::discover(directory)? {
            let path = found.path.to_string_lossy();
            let options = ReadOptions::self_describing();
            let table = tables::open(&self.state(), &path, found.format, &options).await?;
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
                self.answer(answers::setting(&self.in_force.read().conf, &key))
            }
            Command::ShowAll { verbose } => {
                self.answer(answers::settings(&self.in_force.read().conf, verbose))
            }
            Command::Reset { key } => self.reset(key.as_deref()),
            Command::ViewOfFiles { view, files } => self.view_of_files(&view, &files).await,
            Command::ViewOfQuery { view, query } => self.view_of_query(&view, query).await,
            Command::DropView { name, if_exists } => self.drop_view(&name, if_exists),
            Command::ShowTables { pattern } => {
                self.answer(answers::tables(&self.table_names()?, pattern.as_deref()))
            }
            Command::Describe { table } => self.describe(&table, statement, script).await,
        }
    }

    /// Runs a script of one statement: the short way for programs and tests.
    ///
    /// # Errors
    /// As [`Session::run`]; and if the script is not one statement.
    pub async fn sql(&self, script: &str) -> Result<Answer, Error> {
        let mut statements = split(script).into_iter();
        match (statements.next(), statements.next()) {
            (Some(statement), None) => self.run(&statement?, script).await,
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
        self.in_force.read().layout.clone()
    }

    /// The settings in force now.
    pub fn conf(&self) -> Conf {
        self.in_force.read().conf.clone()
    }

    /// Removes the spill files of all queries, whether they are still at it or not: for a process that
    /// ends without waiting for them.
    pub fn remove_spill_files(&self) {
        self.spill.remove();
    }

    /// The unified memory that queries share.
    pub fn memory(&self) -> &Arc<UnifiedMemory> {
        &self.memory
    }

    /// The queries that are over.
    pub fn history(&self) -> History {
        self.history.lock().clone()
    }

    /// The most that was resident in the process since the session started, in bytes.
    pub fn peak_resident(&self) -> u64 {
        self.meter.peak()
    }

    fn state(&self) -> SessionState {
        self.context.state()
    }

    fn answer(&self, rows: Result<Rows, Error>) -> Result<Answer, Error> {
        rows.map(Answer::rows)
    }

    /// The statement with its variables put in, if it has any.
    fn substituted(&self, statement: &Statement) -> Result<Option<Statement>, Error> {
        let in_force = self.in_force.read();
        if !in_force.settings.sql.variable_substitute || !statement.text().contains("${") {
            return Ok(None);
        }
        let text = substitute(statement.text(), &in_force.conf, &self.arguments)?;
        split(&text).into_iter().next().transpose()
    }

    async fn query(&self, statement: &Statement, script: &str) -> Result<Rows, Error> {
        let task = TaskMemory::new(Arc::clone(&self.memory));
        let query = Query::new(
            statement.text(),
            Arc::clone(&task),
            self.meter.guard(),
            self.spill.describe(),
        );
        match self.start(statement, &query, task).await {
            Ok(rows) => Ok(rows),
            Err(error) => {
                let error = Error::planning(error, statement, script);
                let record = query.record(Status::Failed, Some(error.to_string()));
                self.history.lock().push(record);
                Err(error)
            }
        }
    }

    /// Plans a query and starts it in the memory of its own task.
    async fn start(
        &self,
        statement: &Statement,
        query: &Arc<Query>,
        task: Arc<TaskMemory>,
    ) -> datafusion::common::Result<Rows> {
        let state = self.state();
        let (config, fan_in) = {
            let in_force = self.in_force.read();
            let memory = task.limit();
            let threads = threads(&in_force.settings, &self.machine);
            let partitions = engine::partitions(memory, threads);
            (
                engine::config(&in_force.settings, partitions, memory),
                engine::merge_fan_in(memory, partitions),
            )
        };
        let job = Job {
            logical: state.create_logical_plan(statement.text()).await?,
            state,
            config,
            disk: self
                .spill
                .disk_manager()
                .with_max_spill_merge_fan_in(fan_in),
            task,
            query: Arc::clone(query),
        };
        let stream = job.start().await?;
        let history = Arc::clone(&self.history);
        Ok(Rows::running(stream, Arc::clone(query), history))
    }

    fn set(&self, key: &str, value: &str) -> Result<Answer, Error> {
        let notices = self.change(key, |conf| Ok(conf.set(key, value, Origin::Set)?))?;
        Ok(Answer {
            notices,
            ..self.answer(answers::setting(&self.in_force.read().conf, key))?
        })
    }

    fn reset(&self, key: Option<&str>) -> Result<Answer, Error> {
        let notices = match key {
            Some(key) => self.change(key, |conf| Ok(conf.unset(key)?))?,
            None => self.apply(|conf| {
                conf.unset_all();
                Ok(())
            })?,
        };
        Ok(Answer::done(notices))
    }

    fn change(
        &self,
        key: &str,
        change: impl FnOnce(&mut Conf) -> Result<(), Error>,
    ) -> Result<Vec<String>, Error> {
        let mut notices = self.apply(change)?;
        let warning = self.in_force.read().conf.warning_about(key);
        notices.extend(warning.as_ref().map(Warning::to_string));
        Ok(notices)
    }

    /// Changes the settings and gives the memory the sizes they now come to, or leaves all as it is
    /// if they come to something impossible.
    fn apply(
        &self,
        change: impl FnOnce(&mut Conf) -> Result<(), Error>,
    ) -> Result<Vec<String>, Error> {
        let mut in_force = self.in_force.write();
        let mut conf = in_force.conf.clone();
        change(&mut conf)?;
        let next = InForce::new(conf, &self.machine)?;
        let (old, new) = (regions(&in_force.layout), regions(&next.layout));
        let mut notices = answers::changes(&in_force.layout, &next.layout);
        notices.extend(next.layout.warnings.iter().map(ToString::to_string));
        for (mode, old, new) in [
            (MemoryMode::OnHeap, old.0, new.0),
            (MemoryMode::OffHeap, old.1, new.1),
        ] {
            if old != new {
                self.memory.resize(mode, new);
            }
        }
        *in_force = next;
        Ok(notices)
    }
}

/// The regions of the memory manager that a layout comes to.
fn regions(layout: &MemoryLayout) -> (Region, Region) {
    let executor = &layout.executor;
    (
        Region::new(executor.unified.bytes, executor.storage_region.bytes),
        Region::new(
            executor.off_heap.bytes,
            executor.off_heap_storage_region.bytes,
        ),
    )
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
