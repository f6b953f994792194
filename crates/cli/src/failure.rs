use std::fmt;
use std::io;

use plimsoll_conf::machine::MachineError;
use plimsoll_conf::{ConfError, LayoutError};
use plimsoll_driver::Error;

use crate::interrupt::Interrupt;
use crate::output::PrintError;

/// Why the command ends before it is done.
#[derive(Debug)]
pub enum Failure {
    /// An error to be told, exit status 1.
    Error(String),
    /// A signal; nothing to tell.
    Interrupted(Interrupt),
    /// The script ended so, and has told why.
    Script(u8),
    /// Whoever read stdout has gone, and has what they wanted.
    ReaderGone,
}

impl Failure {
    /// The exit status of the process.
    pub fn exit_status(&self) -> u8 {
        match self {
            Failure::Error(_) => 1,
            Failure::Interrupted(interrupt) => interrupt.exit_status(),
            Failure::Script(status) => *status,
            Failure::ReaderGone => 0,
        }
    }

    /// An error of the system about something that has a name.
    pub fn system(what: impl fmt::Display, error: &io::Error) -> Self {
        Failure::Error(format!("{what}: {error}"))
    }
}

impl From<Interrupt> for Failure {
    fn from(interrupt: Interrupt) -> Self {
        Failure::Interrupted(interrupt)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error.to_string())
    }
}

impl From<ConfError> for Failure {
    fn from(error: ConfError) -> Self {
        Failure::Error(error.to_string())
    }
}

impl From<MachineError> for Failure {
    fn from(error: MachineError) -> Self {
        Failure::Error(error.to_string())
    }
}

impl From<LayoutError> for Failure {
    fn from(error: LayoutError) -> Self {
        Failure::Error(error.to_string())
    }
}

impl From<PrintError> for Failure {
    fn from(error: PrintError) -> Self {
        match error {
            PrintError::ReaderGone => Failure::ReaderGone,
            PrintError::Io(error) => Failure::system("cannot write to stdout", &error),
            PrintError::Unprintable(error) => Failure::Error(format!(
                "these rows cannot be printed so ({error}): --output json holds any value"
            )),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        PrintError::from(error).into()
    }
}
