//! The spill files of the built binary: their bound, and what becomes of them when it is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Spills more than a gigabyte before its first row, if it is let.
const SORT: &str = "SELECT id, sha2(CAST(id AS STRING), 512) AS s FROM range(20000000) ORDER BY s";

fn command(spill: &[&Path], arguments: &[&str]) -> Command {
    let spill: Vec<String> = spill
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command
        .env_clear()
        .env("SPARK_LOCAL_DIRS", spill.join(","))
        .args(["sql", "--memory", "64m", "--master", "local[2]"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn run(spill: &[&Path], arguments: &[&str]) -> (Output, String) {
    let output = command(spill, arguments).output().unwrap();
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    (output, told)
}

/// The files, with their sizes, in the directories below this one.
fn files(parent: &Path) -> Vec<(PathBuf, u64)> {
    let directories = fs::read_dir(parent).unwrap().flatten();
    directories
        .filter_map(|directory| fs::read_dir(directory.path()).ok())
        .flat_map(|files| files.flatten())
        .filter_map(|file| Some((file.path(), file.metadata().ok()?.len())))
        .collect()
}

/// A process that has files with something in them in each of these directories, stopped so that it keeps
/// them: it would remove them when it is done with them.
// Whoever asked for it waits for it.
#[allow(clippy::zombie_processes)]
fn stopped_with_spills(spill: &[&Path]) -> Child {
    let child = command(spill, &["-e", SORT])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Another process may have left files there.
    let own = format!("/plimsoll-spill-{}-", child.id());
    let is_own = |path: &Path| path.display().to_string().contains(&own);
    let has_spilled = |parent: &&Path| {
        files(parent)
            .iter()
            .any(|(path, size)| *size > 0 && is_own(path))
    };
    let began = Instant::now();
    loop {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "nothing spilled for long"
        );
        std::thread::sleep(Duration::from_millis(5));
        if spill.iter().all(has_spilled) {
            signal(&child, libc::SIGSTOP);
            while !is_stopped(&child) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if spill.iter().all(has_spilled) {
                return child;
            }
            signal(&child, libc::SIGCONT);
        }
    }
}

/// Whether all threads of the process have come to a stop.
fn is_stopped(child: &Child) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let states = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    // The state follows the name, which is in brackets.
    let stopped = |stat: &String| {
        stat.rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('T')
    };
    states.collect::<Vec<_>>().iter().all(stopped)
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: the child is ours and has not been waited for, so its id is not another's.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
}

#[test]
fn what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_has_is_not() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let both = [one.path(), other.path()];
    let mut killed = stopped_with_spills(&both);
    // SIGKILL: the process gets no chance to remove anything.
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = both.map(|parent| files(parent).len());
    assert!(left.iter().all(|files| *files > 0), "{left:?}");

    let mut living = stopped_with_spills(&both);
    for parent in both {
        assert_eq!(fs::read_dir(parent).unwrap().count(), 1, "the living one's");
    }
    let (ended, told) = run(&both, &["-e", "SELECT 1"]);
    assert!(ended.status.success(), "{told}");
    for parent in both {
        assert!(!files(parent).is_empty(), "the living one's");
    }
    living.kill().unwrap();
    living.wait().unwrap();
    let (_, told) = run(&both, &["-e", "SELECT 1"]);
    for parent in both {
        assert_eq!(fs::read_dir(parent).unwrap().count(), 0, "{told}");
    }
}

#[test]
fn a_query_that_would_spill_more_than_it_may_says_what_to_set() {
    let spill = tempfile::tempdir().unwrap();
    let bound = ["--conf", "spark.plimsoll.spill.maxSize=20m", "-e", SORT];
    let (output, told) = run(&[spill.path()], &bound);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains(
            "error: no space left to spill to: spark.plimsoll.spill.maxSize allows 20 MiB for the spill files \
             of all queries together. Raise it"
        ),
        "{told}"
    );
    assert_eq!(fs::read_dir(spill.path()).unwrap().count(), 0);
}

#[test]
fn a_spill_directory_in_memory_is_told_at_start() {
    let Ok(spill) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("SKIPPED: there is no /dev/shm here");
        return;
    };
    let (_, told) = run(&[spill.path()], &["-e", "SELECT 1"]);
    let words = format!("{} is a file system in memory", spill.path().display());
    assert!(
        told.contains(&words) && told.contains("spark.local.dir"),
        "{told}"
    );
}
