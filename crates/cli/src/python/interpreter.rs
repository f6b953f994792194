//! The Python that a script is run with.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use plimsoll_conf::Conf;
use serde::Deserialize;

use crate::failure::Failure;

/// Says what a Python has; see the text itself.
const PROBE: &str = include_str!("../../../connect/python/probe.py");

/// A Python that can talk Spark Connect.
pub struct Interpreter {
    pub path: PathBuf,
}

/// What the probe prints, as far as it matters here.
#[derive(Deserialize)]
struct Probed {
    problem: Option<String>,
}

impl Interpreter {
    /// The user's Python: the one that settings or the environment name, under Spark's names, or the one
    /// of the virtual environment, or the first on the path.
    ///
    /// # Errors
    /// If there is none, or it lacks a package, with what to install.
    pub fn find(conf: &Conf) -> Result<Self, Failure> {
        let (path, why) = Self::candidate(conf);
        let probed = Command::new(&path).args(["-c", PROBE]).output();
        let output = probed.map_err(|error| {
            Failure::Error(format!(
                "cannot run {} ({why}): {error}. A PySpark script needs Python 3.10 or newer; PYSPARK_PYTHON names another one",
                path.display()
            ))
        })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let probed: Probed = serde_json::from_str(said.trim()).map_err(|_| {
            Failure::Error(format!(
                "{} ({why}) does not seem to be a Python: {}",
                path.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        })?;
        match probed.problem {
            None => Ok(Self { path }),
            Some(problem) => Err(Failure::Error(format!(
                "{problem}. {why}; PYSPARK_PYTHON names another Python"
            ))),
        }
    }

    /// The path, and how it was come by.
    fn candidate(conf: &Conf) -> (PathBuf, String) {
        for key in ["spark.pyspark.driver.python", "spark.pyspark.python"] {
            if let Some((path, origin)) = conf.get(key) {
                return (path.into(), format!("It comes from {key}, {origin}"));
            }
        }
        for name in ["PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON"] {
            if let Some(path) = env::var_os(name).filter(|path| !path.is_empty()) {
                return (path.into(), format!("It comes from {name}"));
            }
        }
        if let Some(directory) = env::var_os("VIRTUAL_ENV").filter(|path| !path.is_empty()) {
            let path = PathBuf::from(directory).join("bin/python");
            return (path, "It comes from VIRTUAL_ENV".to_owned());
        }
        (
            "python3".into(),
            "It is the first python3 on the path".to_owned(),
        )
    }
}
