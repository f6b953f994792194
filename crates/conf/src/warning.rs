//! What a person should be told about settings that are taken but will not do what they may expect.

use crate::conf::Conf;
use crate::known::{Class, classify};
use crate::origin::Origin;
use crate::profile::ProfileNotice;
use crate::property::{COMPRESSION_CODEC, Effect, PROFILE};
use crate::settings::Codec;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// One warning; it displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key in a file or an option that does not begin with `spark.`, which Spark ignores too.
    NotSpark {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
    },
    /// `SPARK_LOCAL_DIRS` has replaced what `spark.local.dir` was set to, as in Spark.
    LocalDirReplaced {
        /// What had been set.
        value: String,
        /// Where that was.
        origin: Origin,
    },
    /// `spark-defaults.conf` was not read because there is a properties file.
    DefaultsNotRead {
        /// The file that was not read.
        path: PathBuf,
    },
    /// A codec that is not there, and which other is used.
    Codec {
        /// The one that was asked for.
        asked: Codec,
        /// Where.
        origin: Origin,
    },
    /// Settings of a profile that has just been set which something stronger sets too.
    Kept(Vec<ProfileNotice>),
    /// Settings of Spark that mean nothing here: each family with its keys.
    Elsewhere(BTreeMap<&'static str, Vec<String>>),
    /// Settings that are recorded and have no effect so far.
    NotYet(Vec<&'static str>),
    /// A key that is none.
    Unknown {
        /// The key.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// The known name that is nearest, if one is near.
        nearest: Option<&'static str>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NotSpark { key, origin } => {
                write!(
                    f,
                    "{key} ({origin}) is ignored: settings begin with \"spark.\""
                )
            }
            Warning::LocalDirReplaced { value, origin } => write!(
                f,
                "spark.local.dir = {value} ({origin}) is ignored: the environment variable SPARK_LOCAL_DIRS replaces it"
            ),
            Warning::DefaultsNotRead { path } => write!(
                f,
                "{} is not read beside a properties file: add --load-spark-defaults to have both",
                path.display()
            ),
            Warning::Codec { asked, origin } => write!(
                f,
                "{} = {asked} ({origin}): {asked} is not there, {} is used in its place; lz4 and zstd are",
                COMPRESSION_CODEC.name(),
                asked.in_use(),
            ),
            Warning::Kept(notices) => {
                for (at, notice) in notices.iter().enumerate() {
                    let between = if at > 0 { "; " } else { "" };
                    write!(f, "{between}{notice}")?;
                }
                Ok(())
            }
            Warning::Elsewhere(families) => {
                let names = families.iter().map(|(family, keys)| match keys.as_slice() {
                    [key] => key.clone(),
                    keys => format!("{family}.* ({})", keys.len()),
                });
                write!(
                    f,
                    "settings of Spark that mean nothing here are ignored: {}",
                    list(names)
                )
            }
            Warning::NotYet(keys) => {
                write!(
                    f,
                    "settings that are recorded but have no effect yet: {}",
                    list(keys.iter())
                )
            }
            Warning::Unknown {
                key,
                origin,
                nearest,
            } => {
                write!(f, "{key} ({origin}) is no setting of Spark or Plimsoll")?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean {nearest}?"),
                    None => Ok(()),
                }
            }
        }
    }
}

fn list(names: impl Iterator<Item = impl fmt::Display>) -> String {
    names
        .map(|name| name.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

impl Conf {
    /// What to tell a person about all that is set: whole families in one line, unknown keys one by one.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.notes().to_vec();
        warnings.extend(about(self.explicit()));
        warnings
    }

    /// What to tell a person who has just set `key`: what [`Conf::warnings`] has to say about that key alone, and of a
    /// profile what it does not change.
    pub fn warning_about(&self, key: &str) -> Option<Warning> {
        if key == PROFILE.name() {
            let kept = self.kept_from_profile();
            return (!kept.is_empty()).then_some(Warning::Kept(kept));
        }
        let (value, origin) = self.get(key)?;
        let explicit = origin.is_explicit().then_some((key, value, origin));
        about(explicit.into_iter()).pop()
    }
}

fn about<'a>(settings: impl Iterator<Item = (&'a str, &'a str, &'a Origin)>) -> Vec<Warning> {
    let mut elsewhere: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut not_yet = Vec::new();
    let mut singly = Vec::new();
    for (key, value, origin) in settings {
        match classify(key) {
            Class::Known(property) if property.effect == Effect::NotYet => {
                not_yet.push(property.key)
            }
            Class::Known(property) if property.key == COMPRESSION_CODEC.name() => {
                singly.extend(codec(value, origin));
            }
            Class::Known(_) | Class::Free => {}
            Class::SparkElsewhere { family } => {
                elsewhere.entry(family).or_default().push(key.to_owned())
            }
            Class::Unknown { nearest } => singly.push(Warning::Unknown {
                key: key.to_owned(),
                origin: origin.clone(),
                nearest,
            }),
        }
    }
    let mut warnings = Vec::new();
    if !elsewhere.is_empty() {
        warnings.push(Warning::Elsewhere(elsewhere));
    }
    if !not_yet.is_empty() {
        warnings.push(Warning::NotYet(not_yet));
    }
    warnings.append(&mut singly);
    warnings
}

fn codec(value: &str, origin: &Origin) -> Option<Warning> {
    let asked: Codec = value.trim().parse().ok()?;
    (asked.in_use() != asked).then(|| Warning::Codec {
        asked,
        origin: origin.clone(),
    })
}
