//! The engine of one command: a session, the threads it runs on, and an orderly end.

use std::io::IsTerminal;
use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

use plimsoll_conf::settings::{LogLevel, Master};
use plimsoll_conf::{Conf, Machine, MemoryLayout, Settings};
use plimsoll_driver::Session;
use plimsoll_monitor::Report;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::args::{self, SettingArgs};
use crate::failure::Failure;
use crate::interrupt::Interrupts;
use crate::settings;

/// How long tasks of a cancelled query may take to let go before the process ends around them.
const GRACE: Duration = Duration::from_secs(2);

pub struct Engine {
    pub session: Session,
    pub runtime: Runtime,
    pub interrupts: Interrupts,
}

impl Engine {
    /// Starts a session with the settings of these options, and registers its tables.
    pub fn start(
        options: &SettingArgs,
        tables: Option<&Path>,
        arguments: Vec<String>,
    ) -> Result<Self, Failure> {
        let machine = Machine::detect()?;
        let conf = settings::conf(options)?;
        let settings = conf.settings()?;
        start_log(settings.log_level);
        warn(&conf, &MemoryLayout::new(&settings, &machine)?);
        let runtime = runtime(&settings, &machine)?;
        let interrupts = {
            let _inside = runtime.enter();
            Interrupts::listen()
                .map_err(|error| Failure::system("cannot listen for signals", &error))?
        };
        let session = Session::new(conf, machine, arguments)?;
        let mut engine = Self {
            session,
            runtime,
            interrupts,
        };
        if let Some(directory) = tables {
            let Self {
                session,
                runtime,
                interrupts,
            } = &mut engine;
            runtime.block_on(interrupts.unless(session.register_tables(directory)))??;
        }
        Ok(engine)
    }

    /// Ends the session: its tasks stop, its spill files go, and the report is made.
    pub fn end(self, report: args::Report) {
        let told = match report {
            args::Report::None => None,
            args::Report::Text => Some(Report::of(&self.session).to_string()),
            args::Report::Json => serde_json::to_string(&Report::of(&self.session)).ok(),
        };
        self.runtime.shutdown_timeout(GRACE);
        drop(self.session);
        if let Some(told) = told {
            eprintln!("{}", told.trim_end());
        }
    }
}

fn runtime(settings: &Settings, machine: &Machine) -> Result<Runtime, Failure> {
    let Master::Local { threads } = settings.master;
    let threads: NonZero<usize> = threads.unwrap_or(machine.cores);
    Builder::new_multi_thread()
        .worker_threads(threads.get())
        .thread_name("task")
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
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}
