//! Puts [`Conf`] together from all the places where a setting may stand, in Spark's order of precedence.

use crate::conf::{Conf, ConfError};
use crate::origin::{Origin, Setting};
use crate::warning::Warning;
use java_properties::{LineContent, PropertiesIter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The environment variables that Spark reads settings from, as in `SparkSubmitArguments`.
const VARIABLES: [(&str, &str); 4] = [
    ("SPARK_DRIVER_MEMORY", "spark.driver.memory"),
    ("SPARK_EXECUTOR_MEMORY", "spark.executor.memory"),
    ("SPARK_EXECUTOR_CORES", "spark.executor.cores"),
    ("MASTER", "spark.master"),
];

/// The one variable that wins over everything, as in `Utils.getConfiguredLocalDirs`.
const LOCAL_DIRS: (&str, &str) = ("SPARK_LOCAL_DIRS", "spark.local.dir");

/// What surrounds the program: its environment variables, which also say where `spark-defaults.conf` is.
///
/// It is passed in rather than read behind the caller's back. The default is an empty environment.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    variables: BTreeMap<String, String>,
}

impl Surroundings {
    /// The environment of this process. Variables that are not Unicode are left out.
    pub fn of_this_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Surroundings {
            variables: std::env::vars_os().filter_map(unicode).collect(),
        }
    }

    /// These variables and no others.
    pub fn with_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Surroundings {
            variables: variables.into_iter().map(owned).collect(),
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// `spark-defaults.conf` where Spark looks for it, if there is one.
    fn defaults_file(&self) -> Option<PathBuf> {
        let directory = match self.variable("SPARK_CONF_DIR") {
            Some(directory) => PathBuf::from(directory),
            None => Path::new(self.variable("SPARK_HOME")?).join("conf"),
        };
        Some(directory.join("spark-defaults.conf")).filter(|path| path.is_file())
    }
}

/// Collects settings and puts them together in Spark's order: code, then options, then files, then the environment.
///
/// Only the value that wins is checked: Spark does not look at the others either.
#[derive(Clone, Debug, Default)]
pub struct ConfBuilder {
    surroundings: Surroundings,
    given: Vec<(String, Setting<String>)>,
    properties_file: Option<PathBuf>,
    load_spark_defaults: bool,
}

impl ConfBuilder {
    /// A builder that reads environment variables and `spark-defaults.conf` from `surroundings`.
    pub fn new(surroundings: Surroundings) -> Self {
        ConfBuilder {
            surroundings,
            ..Self::default()
        }
    }

    /// A setting made by the program, which wins over all others.
    #[must_use]
    pub fn code(self, key: &str, value: &str) -> Self {
        self.give(key, value, Origin::Code)
    }

    /// A setting that has an option of its own; `flag` is the option as it was spelt, such as `--executor-memory`.
    #[must_use]
    pub fn option(self, flag: &str, key: &str, value: &str) -> Self {
        self.give(key, value, Origin::Option(flag.into()))
    }

    /// `--conf key=value`; `flag` is `--conf` or `-c`, as it was spelt.
    ///
    /// # Errors
    /// [`ConfError::NoValue`] when `text` has no `=`.
    pub fn conf(self, flag: &str, text: &str) -> Result<Self, ConfError> {
        match text.split_once('=') {
            Some((key, value)) => Ok(self.give(key, value, Origin::Conf(flag.into()))),
            None => Err(ConfError::NoValue {
                flag: flag.into(),
                text: text.into(),
            }),
        }
    }

    /// `--properties-file path`, read instead of `spark-defaults.conf`.
    #[must_use]
    pub fn properties_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.properties_file = Some(path.into());
        self
    }

    /// `--load-spark-defaults`: with a properties file, read `spark-defaults.conf` too, which is the weaker.
    #[must_use]
    pub fn load_spark_defaults(mut self, yes: bool) -> Self {
        self.load_spark_defaults = yes;
        self
    }

    /// Reads the files and puts everything together.
    ///
    /// # Errors
    /// [`ConfError::File`] and [`ConfError::FileSyntax`] for a file that cannot be read, [`ConfError::Value`] for a
    /// value that does not suit its property.
    pub fn build(self) -> Result<Conf, ConfError> {
        let mut notes = Vec::new();
        let mut values: Vec<_> = VARIABLES
            .into_iter()
            .filter_map(|(name, key)| Some((key, name, self.surroundings.variable(name)?)))
            .map(|(key, name, value)| (key.to_owned(), setting(value, Origin::Environment(name))))
            .collect();
        if let Some(path) = self.surroundings.defaults_file() {
            if self.properties_file.is_none() || self.load_spark_defaults {
                values.extend(read_file(&path, |path, line| Origin::DefaultsFile {
                    path,
                    line,
                })?);
            } else {
                notes.push(Warning::DefaultsNotRead { path });
            }
        }
        if let Some(path) = &self.properties_file {
            values.extend(read_file(path, |path, line| Origin::PropertiesFile {
                path,
                line,
            })?);
        }
        values.extend(self.given);

        // Stable, so that of two values of one origin the later wins, as in a Java map.
        values.sort_by_key(|(_, setting)| setting.origin.precedence());
        let mut winners = BTreeMap::new();
        for (key, setting) in values {
            if key.starts_with("spark.") || setting.origin == Origin::Code {
                winners.insert(key, setting);
            } else {
                notes.push(Warning::NotSpark {
                    key,
                    origin: setting.origin,
                });
            }
        }
        let (variable, key) = LOCAL_DIRS;
        if let Some(value) = self.surroundings.variable(variable) {
            let replaced =
                winners.insert(key.into(), setting(value, Origin::Environment(variable)));
            notes.extend(
                replaced
                    .map(|Setting { value, origin }| Warning::LocalDirReplaced { value, origin }),
            );
        }
        Conf::starting_with(winners, notes)
    }

    fn give(mut self, key: &str, value: &str, origin: Origin) -> Self {
        self.given.push((key.to_owned(), setting(value, origin)));
        self
    }
}

fn setting(value: &str, origin: Origin) -> Setting<String> {
    Setting {
        value: value.to_owned(),
        origin,
    }
}

/// Reads a file in Java's properties syntax, in UTF-8, as `Utils.getPropertiesFromFile` does.
fn read_file(
    path: &Path,
    origin: impl Fn(PathBuf, usize) -> Origin,
) -> Result<Vec<(String, Setting<String>)>, ConfError> {
    let file_error = |source| ConfError::File {
        path: path.to_owned(),
        source,
    };
    let mut text = std::fs::read_to_string(path).map_err(file_error)?;
    // The reader loses a last line that ends in a backslash and no newline; Java keeps it.
    text.push('\n');
    let mut values = Vec::new();
    for line in PropertiesIter::new_with_encoding(text.as_bytes(), encoding_rs::UTF_8) {
        let line = line.map_err(|error| ConfError::FileSyntax {
            path: path.to_owned(),
            line: error.line_number().unwrap_or(1),
        })?;
        let number = line.line_number();
        if let LineContent::KVPair(key, value) = line.consume_content() {
            let value = value.trim_matches(|c| c <= ' ' && c != '\r' && c != '\n');
            values.push((key, setting(value, origin(path.to_owned(), number))));
        }
    }
    Ok(values)
}
