//! The engine of one command: a session, the threads it runs on, and an orderly end.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_conf::settings::{LogLevel, Master};
use plimsoll_conf::{Conf, Machine, MemoryLayout, Settings};
use plimsoll_driver::Session;
use plimsoll_monitor::Report;
use tokio::runtime::{Builder, Handle, Runtime};
use tracing_subscriber::EnvFilter;

use crate::args::{self, SettingArgs};
use crate::failure::Failure;
use crate::idle;
use crate::interrupt::Interrupts;
use crate::settings;
use crate::tell::tell;

/// How long tasks of a cancelled query may take to let go before the process ends around them.
const GRACE: Duration = Duration::from_secs(2);

/// The most threads that `--master local[N]` may ask for.
const MOST_THREADS: usize = 1024;

/// The stack of a worker in bytes: planning walks expressions as deep as they are written. What is
/// not walked on is not resident.
const STACK: usize = 64 << 20;

pub struct Engine {
    session: Arc<Session>,
    /// Where queries are planned and run.
    workers: Runtime,
    /// Where signals, timers and the progress line are, which go on whatever the workers do: a
    /// nested-loop join can keep all of them busy for seconds.
    control: Runtime,
    interrupts: Interrupts,
}

impl Engine {
    /// Opens a session with the settings of these options, and registers its tables.
    pub fn start(
        options: &SettingArgs,
        tables: Option<&Path>,
        open: impl FnOnce(Conf, Machine) -> Result<Session, plimsoll_driver::Error>,
    ) -> Result<Self, Failure> {
        let machine = Machine::detect()?;
        let conf = settings::conf(options)?;
        let settings = conf.settings()?;
        start_log(settings.log_level);
        warn(&conf, &MemoryLayout::new(&settings, &machine)?);
        settings::tell_profile(&conf, &machine);
        let workers = workers(&settings, &machine)?;
        let control = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::system("cannot start", &error))?;
        let interrupts = {
            let _inside = control.enter();
            Interrupts::listen()
                .map_err(|error| Failure::system("cannot listen for signals", &error))?
        };
        let session = Arc::new(open(conf, machine)?);
        plimsoll_connect::register_functions(&session);
        idle::give_back_at_rest(workers.handle(), control.handle(), Arc::downgrade(&session));
        let mut engine = Self {
            session,
            workers,
            control,
            interrupts,
        };
        if let Some(directory) = tables {
            let (session, directory) = (Arc::clone(&engine.session), directory.to_owned());
            let work = async move { session.register_tables(&directory).await };
            engine.run(work, |outcome| async move { Ok(outcome?) })?;
        }
        Ok(engine)
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Where queries run.
    pub fn workers(&self) -> Handle {
        self.workers.handle().clone()
    }

    /// Does something on this thread, apart from the workers, that heeds signals by itself.
    pub fn control<'a, T, F>(&'a mut self, work: impl FnOnce(&'a mut Interrupts) -> F) -> T
    where
        F: Future<Output = T>,
    {
        self.control.block_on(work(&mut self.interrupts))
    }

    /// Does `work` on the workers and `then` on this thread, unless a signal comes first.
    pub fn run<T, U, F>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(T) -> F,
    ) -> Result<U, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<U, Failure>>,
    {
        let mut work = self.workers.spawn(work);
        let both = async {
            match (&mut work).await {
                Ok(outcome) => then(outcome).await,
                Err(error) => Err(Failure::Error(format!(
                    "a task of the engine broke off: {error}"
                ))),
            }
        };
        let outcome = self.control.block_on(self.interrupts.unless(both));
        work.abort();
        outcome?
    }

    /// Leaves the workers to what they are at, and goes on with new ones: for a query that was
    /// cancelled and may not notice for a while.
    pub fn renew_workers(&mut self) -> Result<(), Failure> {
        let settings = self.session.conf().settings()?;
        let workers = workers(&settings, &Machine::detect()?)?;
        idle::give_back_at_rest(
            workers.handle(),
            self.control.handle(),
            Arc::downgrade(&self.session),
        );
        std::mem::replace(&mut self.workers, workers).shutdown_background();
        Ok(())
    }

    /// Ends the session: its tasks stop, its spill files go, and the report is made.
    pub fn end(self, report: args::Report) {
        let told = match report {
            args::Report::None => None,
            args::Report::Text => Some(Report::of(&self.session).to_string()),
            args::Report::Json => serde_json::to_string(&Report::of(&self.session)).ok(),
        };
        self.workers.shutdown_timeout(GRACE);
        self.session.remove_spill_files();
        if let Some(told) = told {
            tell(told.trim_end());
        }
    }
}

fn workers(settings: &Settings, machine: &Machine) -> Result<Runtime, Failure> {
    let Master::Local { threads } = settings.master;
    let threads = threads.unwrap_or(machine.cores).get();
    if threads > MOST_THREADS {
        return Err(Failure::Error(format!(
            "--master local[{threads}] asks for {threads} threads, and at most {MOST_THREADS} can be had: this machine has {} cores, local[*] takes as many",
            machine.cores
        )));
    }
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("task")
        .thread_stack_size(STACK)
        .thread_keep_alive(idle::BLOCKING)
        .enable_all()
        .build()
        .map_err(|error| Failure::system("cannot start threads", &error))
}

/// What is odd about the settings, before anything runs.
fn warn(conf: &Conf, layout: &MemoryLayout) {
    for warning in conf.warnings() {
        tracing::warn!("{warning}");
    }
    for warning in &layout.warnings {
        tracing::warn!("{warning}");
    }
}

/// Sends the log to stderr. `RUST_LOG` overrules the level, for those who debug the engine.
fn start_log(level: LogLevel) {
    let level = match level {
        LogLevel::All | LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error | LogLevel::Fatal => "error",
        LogLevel::Off => "off",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}
