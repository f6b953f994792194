//! The Python side of a run: the files that turn PySpark to the engine, and the process that runs them.

use std::fs;
use std::io;
use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::interpreter::Interpreter;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

const FILES: [(&str, &str); 4] = [
    (
        "launcher.py",
        include_str!("../../../connect/python/launcher.py"),
    ),
    (
        "plimsoll_context.py",
        include_str!("../../../connect/python/plimsoll_context.py"),
    ),
    (
        "plimsoll_session.py",
        include_str!("../../../connect/python/plimsoll_session.py"),
    ),
    (
        "plimsoll_unsupported.py",
        include_str!("../../../connect/python/plimsoll_unsupported.py"),
    ),
];

/// The files in a directory of their own, which goes with this.
pub struct Launcher {
    directory: TempDir,
}

impl Launcher {
    /// # Errors
    /// If there is no room for them.
    pub fn unpack() -> Result<Self, Failure> {
        let directory = unpack().map_err(|error| {
            Failure::system(
                "cannot write the launcher of Python scripts to a temporary directory",
                &error,
            )
        })?;
        Ok(Self { directory })
    }

    /// Starts a script that finds the engine at this address.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn start(
        &self,
        python: &Interpreter,
        engine: SocketAddr,
        token: &str,
        job: &[String],
    ) -> Result<Child, Failure> {
        Command::new(&python.path)
            .arg(self.directory.path().join("launcher.py"))
            .args(job)
            .env("PLIMSOLL_REMOTE", format!("sc://{engine}"))
            .env("PLIMSOLL_TOKEN", token)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                Failure::system(
                    format_args!("cannot start {}", python.path.display()),
                    &error,
                )
            })
    }
}

fn unpack() -> io::Result<TempDir> {
    let directory = tempfile::Builder::new()
        .prefix("plimsoll-python-")
        .tempdir()?;
    for (name, text) in FILES {
        fs::write(directory.path().join(name), text)?;
    }
    Ok(directory)
}

/// Passes a signal on to the script.
pub fn signal(script: &Child, interrupt: Interrupt) {
    let number = match interrupt {
        Interrupt::Interrupted => libc::SIGINT,
        Interrupt::Terminated => libc::SIGTERM,
        Interrupt::HungUp => libc::SIGHUP,
    };
    // An id of 0 would be this process's whole group.
    if let Some(id) = script
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .filter(|id| *id > 0)
    {
        // SAFETY: kill takes two numbers and touches no memory of this process. The child has not been
        // waited for, so its id is still its own.
        unsafe { libc::kill(id, number) };
    }
}
