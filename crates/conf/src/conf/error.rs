//! Why settings cannot be taken.

use crate::kind::ValueError;
use crate::origin::Origin;
use crate::size::Bytes;
use std::path::PathBuf;

/// Why settings cannot be taken. Each message is a paragraph that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// A value that does not suit its property.
    #[error(transparent)]
    Value(Box<RefusedValue>),
    /// `SET` of a property that is not read again.
    #[error(
        "{key} cannot be changed while the session runs, since it is read when {when}: give it on the command line or \
         in spark-defaults.conf, and start again"
    )]
    ReadAtStart {
        /// The property.
        key: &'static str,
        /// When it is read.
        when: &'static str,
    },
    /// Off-heap memory without a size.
    #[error(
        "spark.memory.offHeap.enabled is true ({enabled}) but spark.memory.offHeap.size is {size} ({sized}): give the \
         size first, such as spark.memory.offHeap.size=1g, or leave off-heap memory disabled"
    )]
    OffHeapWithoutSize {
        /// Where it was enabled.
        enabled: Origin,
        /// The size as displayed.
        size: Bytes,
        /// Where the size came from.
        sized: Origin,
    },
    /// `--conf` without `=`.
    #[error(
        "{flag} {text} names no value: write {flag} key=value, such as {flag} spark.memory.fraction=0.7"
    )]
    NoValue {
        /// The flag as it was spelt.
        flag: String,
        /// What followed it.
        text: String,
    },
    /// A properties file that cannot be read.
    #[error("the properties file {} cannot be read ({source}): check the path and its permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A properties file that is malformed.
    #[error(
        "line {line} of the properties file {} cannot be read: a \\u in it needs four hexadecimal digits after it, or \
         a second \\ to be a plain backslash",
        path.display()
    )]
    FileSyntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// A value that does not suit its property.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{key} = {value} ({origin}) is refused: {reason}")]
pub struct RefusedValue {
    /// The property.
    pub key: &'static str,
    /// What it was set to.
    pub value: String,
    /// Where it was set.
    pub origin: Origin,
    /// Why that is refused. It is part of the message, and so not its source too.
    pub reason: ValueError,
}

impl ConfError {
    pub(crate) fn value(
        key: &'static str,
        value: &str,
        origin: &Origin,
        reason: ValueError,
    ) -> Self {
        ConfError::Value(Box::new(RefusedValue {
            key,
            value: value.to_owned(),
            origin: origin.clone(),
            reason,
        }))
    }
}
