use std::fmt;

use plimsoll_conf::fmt_bytes;
use serde::{Deserialize, Serialize};

/// A change that would have helped, why, and what will be seen once it is made. Displayed it is one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// What to do.
    pub change: Change,
    /// Why, with the number that it comes from.
    pub reason: String,
    /// What comes of it.
    pub promise: Promise,
}

/// Something to be done, precise enough to be done by a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Give a setting this value.
    Set {
        /// The property.
        key: String,
        /// Its value, as Spark spells values.
        value: String,
        /// The option of the command line that sets it, where that is how it was set.
        option: Option<String>,
    },
    /// No longer cache this table or plan.
    Uncache {
        /// Its name.
        name: String,
    },
    /// Cache this table or plan at another level.
    StorageLevel {
        /// Its name.
        name: String,
        /// Spark's name of the level.
        level: String,
    },
    /// Run it where there is so much memory: no setting can give more than there is.
    Machine {
        /// Bytes that the machine or the container has to have.
        memory: u64,
        /// The setting of it that makes use of them.
        setting: Box<Change>,
    },
    /// Ask for so many rows of the result and no more.
    Limit {
        /// How many.
        rows: u64,
    },
    /// Write the rows to files in place of collecting them.
    Write,
    /// Spill to a disk that has so much free.
    LocalDir {
        /// Bytes that have to be free.
        free: u64,
    },
}

/// What comes of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// The query writes nothing to disk for lack of memory, or next to nothing: how rows are dealt out to threads differs from
    /// run to run.
    NoSpill,
    /// It writes at most three quarters of what it wrote.
    LessSpill,
    /// No cached block leaves memory, and none is read from disk or computed again.
    NoEviction,
    /// It does not end with this error.
    NoError,
    /// It gets further before it does; how far is not known, since nobody knows how much there is to read.
    Further,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Set {
                value,
                option: Some(option),
                ..
            } => write!(f, "{option} {value}"),
            Change::Set { key, value, .. } => write!(f, "{key}={value}"),
            Change::Uncache { name } => write!(f, "UNCACHE TABLE {name}"),
            Change::StorageLevel { name, level } => write!(f, "cache {name} at {level}"),
            Change::Machine { memory, setting } => {
                write!(f, "{setting} where there are {}", fmt_bytes(*memory))
            }
            Change::Limit { rows } => write!(f, "LIMIT {rows}"),
            Change::Write => f.write_str("write the rows to files (COPY ... TO, df.write)"),
            Change::LocalDir { free } => {
                write!(
                    f,
                    "spark.local.dir on a disk with {} free",
                    fmt_bytes(*free)
                )
            }
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.change, self.reason)
    }
}
