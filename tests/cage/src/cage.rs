//! A program in its group, watched.

use std::env;
use std::fmt;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::capture::{Captured, Reading};
use crate::group::Group;
use crate::place::{self, Place};
use crate::resident::Reader;

/// The time between two samples. A burst that is shorter can hide from them, though not from the kernel's limit.
const INTERVAL: Duration = Duration::from_millis(5);

/// What is kept of a program's stdout and stderr.
const MOST_STDOUT: usize = 64 << 20;
const MOST_STDERR: usize = 1 << 20;

/// A memory cgroup limited to exactly a line, with swap off, for one program.
#[derive(Debug)]
pub struct Cage {
    group: Group,
    line: u64,
}

/// A program that runs in its cage. Dropped, it is killed with all that it started.
pub struct Caged {
    // Fields are dropped in this order: the sampler ends before its group goes.
    child: Child,
    sampler: Sampler,
    stdout: Option<Reading>,
    stderr: Option<Reading>,
    group: Arc<Group>,
    line: u64,
    start: Instant,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Killed by us, when its time was up.
    TimedOut,
}

/// What came of a run. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The limit of the group.
    pub line: u64,
    /// How the program ended.
    pub exit: Exit,
    /// Processes that the kernel killed because the group was full.
    pub oom_kills: u64,
    /// The highest sample of `RssAnon + RssShmem` of all processes in the group.
    pub peak_resident: u64,
    /// The most that was charged to the group, with page cache and the kernel's own; 0 where the kernel does not say.
    pub peak_charged: u64,
    /// The highest sample of what the kernel held for the group (page tables and the like); it counts against the limit.
    pub peak_kernel: u64,
    /// From start to end.
    pub seconds: f64,
    /// What it printed.
    pub stdout: Captured,
    /// What it told.
    pub stderr: Captured,
}

impl Cage {
    /// Makes a cage of `line` bytes.
    ///
    /// # Errors
    /// When no memory cgroup can be made or entered here, with the reason of each place that was tried.
    pub fn new(line: u64) -> Result<Self, String> {
        static PLACE: OnceLock<Result<Place, String>> = OnceLock::new();
        let place = PLACE.get_or_init(find_place).as_ref()?;
        let group = Group::create(place, line).map_err(|error| error.to_string())?;
        Ok(Self { group, line })
    }

    /// A cage of `line` bytes, or `None` with a loud word where none can be made.
    ///
    /// # Panics
    /// Where none can be made and `CI` is in the environment: a proof that did not run is not one that passed.
    pub fn or_skip(line: u64) -> Option<Self> {
        match Self::new(line) {
            Ok(cage) => Some(cage),
            Err(reason) => {
                assert!(
                    env::var_os("CI").is_none(),
                    "memory cgroups cannot be made here: {reason}"
                );
                eprintln!("SKIPPED: memory cgroups cannot be made here: {reason}");
                None
            }
        }
    }

    /// Runs a program to its end, or for `limit`, whichever is first.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(self, command: &mut Command, limit: Duration) -> io::Result<Run> {
        self.spawn(command)?.finish(limit)
    }

    /// Starts a program in the cage, with nothing on its stdin.
    ///
    /// # Errors
    /// When it cannot be started, or not enter the cage.
    pub fn spawn(self, command: &mut Command) -> io::Result<Caged> {
        let Self { group, line } = self;
        enter(command, &group)?;
        let start = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = Arc::new(group);
        Ok(Caged {
            sampler: Sampler::start(Arc::clone(&group)),
            stdout: child
                .stdout
                .take()
                .map(|pipe| Reading::start(pipe, MOST_STDOUT)),
            stderr: child
                .stderr
                .take()
                .map(|pipe| Reading::start(pipe, MOST_STDERR)),
            child,
            group,
            line,
            start,
        })
    }
}

/// Makes the command's process enter the group between fork and exec, so that all it ever allocates is charged there.
fn enter(command: &mut Command, group: &Group) -> io::Result<()> {
    let door = group.door()?;
    let step_in = move || {
        rustix::io::write(&door, b"0")?;
        Ok(())
    };
    // SAFETY: in the child of a process with threads only async-signal-safe functions may be called. This is one
    // write(2) of a constant to a file that was opened before; it takes no lock and allocates nothing.
    unsafe { command.pre_exec(step_in) };
    Ok(())
}

/// The innermost place where a group can be made, limited and entered: only doing it tells.
fn find_place() -> Result<Place, String> {
    let mut reasons = Vec::new();
    for place in place::candidates() {
        let tried = Group::create(&place, 64 << 20).and_then(|group| {
            group.oom_kills()?;
            let mut nothing = Command::new("true");
            enter(&mut nothing, &group)?;
            nothing.status()
        });
        match tried {
            Ok(_) => return Ok(place),
            Err(error) => reasons.push(format!("in {}: {error}", place.directory.display())),
        }
    }
    if reasons.is_empty() {
        reasons.push("no cgroup file system with the memory controller is mounted".into());
    }
    Err(reasons.join("; "))
}

impl Caged {
    /// The id of the program's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last sample of `RssAnon + RssShmem`, in bytes.
    pub fn resident(&self) -> u64 {
        self.sampler.watch.now.load(Ordering::Relaxed)
    }

    /// Waits until `found` finds what it looks for in what the program has told, for `limit` at most. `None` when the
    /// time is up or the program has ended.
    pub fn wait_for<T>(&mut self, limit: Duration, found: impl Fn(&str) -> Option<T>) -> Option<T> {
        let until = Instant::now() + limit;
        loop {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            let told = self.stderr.as_ref()?.so_far();
            if let Some(found) = found(&told.text) {
                return Some(found);
            }
            if ended || Instant::now() > until {
                return None;
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Asks the program to end, as Ctrl-C would.
    pub fn interrupt(&self) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = id {
            // It may have ended already; then `finish` says how.
            let _ = kill_process(pid, Signal::INT);
        }
    }

    /// Waits for the end of the program, and kills it when it has not come after `limit`.
    ///
    /// # Errors
    /// When the system does not say how it ended, or what its group went through.
    pub fn finish(mut self, limit: Duration) -> io::Result<Run> {
        let status = self.wait(limit)?;
        let seconds = self.start.elapsed().as_secs_f64();
        // What it left behind would keep the pipes open.
        self.group.kill_all();
        let stdout = self.stdout.take().map(Reading::finish);
        let stderr = self.stderr.take().map(Reading::finish);
        self.sampler.stop();
        let watch = &self.sampler.watch;
        Ok(Run {
            line: self.line,
            exit: match status {
                None => Exit::TimedOut,
                Some(status) => Exit::of(status),
            },
            oom_kills: self.group.oom_kills()?,
            peak_resident: watch.peak.load(Ordering::Relaxed),
            peak_charged: self.group.peak_charged(),
            peak_kernel: watch.kernel.load(Ordering::Relaxed),
            seconds,
            stdout: stdout.unwrap_or_default(),
            stderr: stderr.unwrap_or_default(),
        })
    }

    /// The status of the program; `None` when it had to be killed.
    fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() > until {
                self.group.kill_all();
                self.child.wait()?;
                return Ok(None);
            }
            thread::sleep(INTERVAL);
        }
    }
}

impl Drop for Caged {
    fn drop(&mut self) {
        self.group.kill_all();
        // Reaped already, unless somebody gave up on it.
        let _ = self.child.wait();
        self.sampler.stop();
    }
}

impl Exit {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            // wait(2) knows no third way for a process that has ended.
            (None, None) => Exit::Code(-1),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
            Exit::TimedOut => write!(f, "killed when its time was up"),
        }
    }
}

/// Reads what is resident in a group, again and again, until it is told to stop.
struct Sampler {
    watch: Arc<Watch>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Watch {
    stop: AtomicBool,
    now: AtomicU64,
    peak: AtomicU64,
    kernel: AtomicU64,
}

impl Sampler {
    fn start(group: Arc<Group>) -> Self {
        let watch = Arc::new(Watch::default());
        let shared = Arc::clone(&watch);
        let thread = thread::spawn(move || {
            let mut reader = Reader::default();
            while !shared.stop.load(Ordering::Relaxed) {
                let processes = group.processes();
                let mut resident = reader.sum(&processes);
                if processes.len() > 1 {
                    // Pages that several processes share, as before a fork becomes another program, are in each one's
                    // sum. The kernel charges them once.
                    resident = resident.min(group.resident().unwrap_or(u64::MAX));
                }
                shared.now.store(resident, Ordering::Relaxed);
                shared.peak.fetch_max(resident, Ordering::Relaxed);
                shared.kernel.fetch_max(group.kernel(), Ordering::Relaxed);
                thread::sleep(INTERVAL);
            }
        });
        Self {
            watch,
            thread: Some(thread),
        }
    }

    fn stop(&mut self) {
        self.watch.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A sampler that panicked has printed why, and its samples up to there hold.
            let _ = thread.join();
        }
    }
}
