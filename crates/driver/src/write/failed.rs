use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::Path;

use datafusion::parquet::errors::ParquetError;

use crate::error::Error;

/// Why something could not be written.
#[derive(Debug)]
pub(super) enum Failed {
    /// The system refused.
    System(io::Error),
    /// A value cannot be written in this format.
    Value(Error),
}

impl Failed {
    /// The error of a write to `target`.
    pub(super) fn about(self, target: &Path) -> Error {
        let source = match self {
            Failed::Value(error) => return error,
            Failed::System(source) => source,
        };
        let target = target.display();
        let what = match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!(
                "cannot write to {target}, where the disk is full: free some of it, or write to another one"
            ),
            _ => format!("cannot write to {target}"),
        };
        Error::System { what, source }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Value(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::System(error)
    }
}

impl From<ParquetError> for Failed {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(error) => match error.downcast::<io::Error>() {
                Ok(error) => Failed::System(*error),
                Err(error) => Failed::Value(failed(error)),
            },
            error => Failed::Value(failed(error)),
        }
    }
}

/// An error of the engine's where a file is written.
pub(super) fn failed(error: impl Display) -> Error {
    Error::Execution(format!("writing failed: {error}"))
}
