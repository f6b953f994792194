//! Where a value came from.

use crate::profile::Profile;
use std::fmt;
use std::path::PathBuf;

/// Where a value came from, as a person would say it when shown.
///
/// Variants stand in the order of Spark's precedence, weakest first, which [`Origin::precedence`] compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// Worked out from something else, which the text names.
    Derived(String),
    /// A profile, which sets what nothing else does.
    Profile {
        /// The profile.
        profile: Profile,
        /// Where it was asked for.
        by: Box<Origin>,
    },
    /// An environment variable of that name.
    Environment(&'static str),
    /// `spark-defaults.conf`.
    DefaultsFile {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The file given with `--properties-file`.
    PropertiesFile {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// `--conf key=value`; the text is the flag as it was spelt.
    Conf(String),
    /// An option of its own such as `--executor-memory`; the text is the flag as it was spelt.
    Option(String),
    /// The program, as with `SparkSession.builder.config`.
    Code,
    /// `SET key=value` or `spark.conf.set` on a running session.
    Set,
}

/// How strong an origin is: the greater of two wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence(u8);

impl Origin {
    /// How strong this origin is beside others, as Spark has it in `SparkSubmitArguments`: an option of its own wins
    /// over `--conf`, which wins over files, which win over the environment.
    pub fn precedence(&self) -> Precedence {
        Precedence(match self {
            Origin::Default => 0,
            Origin::Derived(_) => 1,
            Origin::Profile { .. } => 2,
            Origin::Environment(_) => 3,
            Origin::DefaultsFile { .. } => 4,
            Origin::PropertiesFile { .. } => 5,
            Origin::Conf(_) => 6,
            Origin::Option(_) => 7,
            Origin::Code => 8,
            Origin::Set => 9,
        })
    }

    /// Whether somebody set the value, rather than its being a default or worked out.
    pub fn is_explicit(&self) -> bool {
        !matches!(self, Origin::Default | Origin::Derived(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Origin::Default => "default".into(),
            Origin::Derived(why) => why.clone(),
            Origin::Profile { profile, by } => match by.as_ref() {
                Origin::Option(flag) => format!("{flag} {profile}"),
                by => format!("profile {profile}, {by}"),
            },
            Origin::Environment(variable) => format!("environment {variable}"),
            Origin::DefaultsFile { path, line } | Origin::PropertiesFile { path, line } => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                format!("{}:{line}", name.to_string_lossy())
            }
            Origin::Conf(flag) | Origin::Option(flag) => flag.clone(),
            Origin::Code => "code".into(),
            Origin::Set => "SET".into(),
        };
        f.pad(&text)
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// The same origin with what `f` makes of the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Setting<U> {
        Setting {
            value: f(self.value),
            origin: self.origin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_read_as_a_person_says_them() {
        let file = Origin::DefaultsFile {
            path: "/etc/spark/spark-defaults.conf".into(),
            line: 3,
        };
        assert_eq!(file.to_string(), "spark-defaults.conf:3");
        assert_eq!(
            Origin::Option("--executor-memory".into()).to_string(),
            "--executor-memory"
        );
        assert_eq!(
            Origin::Environment("SPARK_DRIVER_MEMORY").to_string(),
            "environment SPARK_DRIVER_MEMORY"
        );
        assert_eq!(Origin::Default.to_string(), "default");
        for (by, text) in [
            (Origin::Option("--profile".into()), "--profile cache"),
            (file, "profile cache, spark-defaults.conf:3"),
        ] {
            let profile = Origin::Profile {
                profile: Profile::Cache,
                by: Box::new(by),
            };
            assert_eq!(profile.to_string(), text);
        }
    }

    #[test]
    fn a_flag_of_its_own_wins_over_conf_and_conf_over_files() {
        let flag = Origin::Option("--driver-memory".into()).precedence();
        let conf = Origin::Conf("-c".into()).precedence();
        let file = Origin::PropertiesFile {
            path: "x".into(),
            line: 1,
        }
        .precedence();
        assert!(flag > conf && conf > file && file > Origin::Environment("MASTER").precedence());
    }
}
