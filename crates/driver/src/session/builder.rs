//! How a program makes a session.

use std::io;
use std::path::PathBuf;

use plimsoll_conf::profile::Profile;
use plimsoll_conf::{ConfBuilder, Machine, Surroundings};

use super::Session;
use crate::error::Error;

/// Collects the settings of a session; Spark's `SparkSession.Builder`.
///
/// What is set here wins over all else. What is not comes from where a program that `spark-submit` starts has it from: the
/// [properties file](Self::properties_file) or else `spark-defaults.conf` in `$SPARK_CONF_DIR` or `$SPARK_HOME/conf`, and then
/// the environment variables `SPARK_DRIVER_MEMORY`, `SPARK_EXECUTOR_MEMORY`, `SPARK_EXECUTOR_CORES` and `MASTER`. As in Spark
/// `SPARK_LOCAL_DIRS` alone wins over everything. A program that is to heed nothing around it gives
/// [`surroundings`](Self::surroundings) that are empty.
///
/// ```
/// use plimsoll_driver::Session;
///
/// let session = Session::builder()
///     .app_name("report")
///     .master("local[2]")
///     .memory("512m")
///     .config("spark.memory.storageFraction", "0.3")
///     .build()?;
/// assert_eq!(session.layout().line.bytes, 512 << 20);
/// # Ok::<(), plimsoll_driver::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SessionBuilder {
    settings: Vec<(String, String)>,
    properties_file: Option<PathBuf>,
    surroundings: Option<Surroundings>,
    machine: Option<Machine>,
    arguments: Vec<String>,
}

impl SessionBuilder {
    /// Sets `key`, under Spark's name or ours. The last value that a key was given counts, and is checked by
    /// [`build`](Self::build).
    #[must_use]
    pub fn config(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// The name of the application, `spark.app.name`.
    #[must_use]
    pub fn app_name(self, name: &str) -> Self {
        self.config("spark.app.name", name)
    }

    /// Where queries run, `spark.master`: `local[4]` for four threads, `local[*]` for one a core.
    #[must_use]
    pub fn master(self, master: &str) -> Self {
        self.config("spark.master", master)
    }

    /// The line: what the process may have resident, such as `2g`, or `auto` for what the container has;
    /// `spark.plimsoll.memory`.
    #[must_use]
    pub fn memory(self, line: &str) -> Self {
        self.config("spark.plimsoll.memory", line)
    }

    /// The kind of work that settings which nobody gave are to suit, `spark.plimsoll.profile`.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        self.config("spark.plimsoll.profile", profile)
    }

    /// A file of settings that is read in place of `spark-defaults.conf`.
    #[must_use]
    pub fn properties_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.properties_file = Some(path.into());
        self
    }

    /// The environment to heed in place of the process's own.
    #[must_use]
    pub fn surroundings(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = Some(surroundings);
        self
    }

    /// The machine to be on in place of this one: for tests of what sizes come to.
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = Some(machine);
        self
    }

    /// What `${1}`, `${2}`, … stand for in its statements.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Starts the session. What settings deserve a word, such as one without effect, goes to the log.
    ///
    /// # Errors
    /// [`Error::Setting`] if a value does not suit its key or a file cannot be read, [`Error::Layout`] if the sizes are
    /// impossible together, [`Error::System`] if the system does not say what memory there is, or lets no spill directory
    /// be made.
    pub fn build(self) -> Result<Session, Error> {
        let surroundings = self.surroundings;
        let surroundings = surroundings.unwrap_or_else(Surroundings::of_this_process);
        let mut conf = ConfBuilder::new(surroundings);
        if let Some(path) = self.properties_file {
            conf = conf.properties_file(path);
        }
        for (key, value) in &self.settings {
            conf = conf.code(key, value);
        }
        let conf = conf.build()?;
        let machine = match self.machine {
            Some(machine) => machine,
            None => Machine::detect().map_err(|error| Error::System {
                what: "cannot learn what memory there is".into(),
                source: io::Error::other(error),
            })?,
        };
        for warning in conf.warnings() {
            tracing::warn!("{warning}");
        }
        let session = Session::new(conf, machine, self.arguments)?;
        for warning in &session.layout().warnings {
            tracing::warn!("{warning}");
        }
        Ok(session)
    }
}
