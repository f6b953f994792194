//! The machine that we are on: how much memory it has, whether we are in a container, how many cores there are.

use crate::container::{ContainerLimit, container_limit};
use crate::size::Unit;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// The machine that we are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// All of its memory, in bytes.
    pub physical_memory: u64,
    /// The memory limit of the container that we are in, if there is one.
    pub container: Option<ContainerLimit>,
    /// How many threads can run at the same time for us.
    pub cores: NonZeroUsize,
}

/// The machine cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A file of the kernel's cannot be read.
    #[error("{} cannot be read ({source}): Plimsoll learns from it how much memory there is, and needs Linux with /proc mounted", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// `/proc/meminfo` does not say how much memory there is.
    #[error("{} has no line MemTotal: Plimsoll cannot learn how much memory there is; is /proc mounted?", path.display())]
    NoMemTotal {
        /// The file.
        path: PathBuf,
    },
}

impl Machine {
    /// Looks at the machine that this process runs on.
    ///
    /// # Errors
    /// [`MachineError`] when `/proc` does not tell.
    pub fn detect() -> Result<Machine, MachineError> {
        Machine::detect_under(Path::new("/"))
    }

    /// As [`Machine::detect`], with `/proc` and `/sys` looked for under `root`. The number of cores is always ours.
    ///
    /// # Errors
    /// [`MachineError`] when `proc/meminfo` does not tell.
    pub fn detect_under(root: &Path) -> Result<Machine, MachineError> {
        let path = root.join("proc/meminfo");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(MachineError::Unreadable { path, source }),
        };
        let total = text.lines().find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        });
        let kibibytes: u64 = total.ok_or(MachineError::NoMemTotal { path })?;
        Ok(Machine {
            physical_memory: kibibytes.saturating_mul(Unit::Kibi.bytes()),
            container: container_limit(root),
            cores: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        })
    }

    /// A machine with one core and so many bytes of memory, outside of any container.
    pub fn with_memory(bytes: u64) -> Machine {
        Machine {
            physical_memory: bytes,
            container: None,
            cores: NonZeroUsize::MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn physical_memory_is_what_the_kernel_says() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("proc")).unwrap();
        let meminfo = root.path().join("proc/meminfo");
        std::fs::write(&meminfo, "MemTotal:       16384 kB\nMemFree: 1 kB\n").unwrap();
        let machine = Machine::detect_under(root.path()).unwrap();
        assert_eq!(
            (machine.physical_memory, machine.container),
            (16 << 20, None)
        );

        std::fs::write(&meminfo, "nothing\n").unwrap();
        assert!(matches!(
            Machine::detect_under(root.path()),
            Err(MachineError::NoMemTotal { .. })
        ));
    }

    #[test]
    fn the_machine_that_runs_the_tests_has_memory_and_cores() {
        let machine = Machine::detect().unwrap();
        assert!(machine.physical_memory > 0);
        assert!(machine.container.is_none_or(|limit| limit.bytes > 0));
    }

    #[test]
    fn a_missing_proc_says_what_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let error = Machine::detect_under(root.path()).unwrap_err().to_string();
        assert!(
            error.contains("proc/meminfo") && error.contains("needs Linux"),
            "{error}"
        );
    }
}
