//! The harness itself: what goes over is caught, what stays inside is not, and nothing is left behind.

use std::panic;
use std::process::Command;
use std::time::{Duration, Instant};

use plimsoll_cage::{Cage, Exit, Run, Verdict, judge};

const MIB: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell whose `tail` has to hold that many bytes: with no newline in its input, all of it is its last line.
fn holder(bytes: u64) -> Command {
    let mut command = Command::new("sh");
    let script = format!("head -c {bytes} /dev/zero | tail -n 1 | wc -c; sleep 0.1");
    command.args(["-c", &script]);
    command
}

fn run(line: u64, command: &mut Command, limit: Duration) -> Option<Run> {
    Some(Cage::or_skip(line)?.run(command, limit).unwrap())
}

#[test]
fn what_stays_inside_is_measured_over_all_its_processes() {
    let Some(run) = run(256 * MIB, &mut holder(100 * MIB), PATIENCE) else {
        return;
    };
    assert_eq!((run.exit, run.oom_kills), (Exit::Code(0), 0), "{run:?}");
    assert_eq!(run.stdout.text.trim(), (100 * MIB).to_string());
    let peak = run.peak_resident;
    assert!((90 * MIB..256 * MIB).contains(&peak), "{peak}");
    assert!(
        run.peak_charged == 0 || run.peak_charged >= 90 * MIB,
        "{run:?}"
    );
}

#[test]
fn what_processes_share_counts_once() {
    // Subshells are copies of the shell, which holds a long text, until they write to it.
    let script = "x=$(head -c 40000000 /dev/zero | tr '\\0' x); \
                  for i in 1 2 3 4 5 6 7 8; do (sleep 0.3; :) & done; wait";
    let Some(run) = run(256 * MIB, Command::new("sh").args(["-c", script]), PATIENCE) else {
        return;
    };
    assert_eq!(judge(&run, |_| Ok(()), &[]), Verdict::Right, "{run:?}");
    assert!(run.peak_resident >= 38 * MIB, "{run:?}");
}

#[test]
fn what_goes_over_is_killed_by_the_kernel_and_the_verdict_says_so() {
    let Some(run) = run(64 * MIB, &mut holder(200 * MIB), PATIENCE) else {
        return;
    };
    let verdict = judge(&run, |_| Ok(()), &[]);
    assert!(matches!(verdict, Verdict::OutOfMemory { .. }), "{run:?}");
}

#[test]
fn page_cache_is_reclaimed_and_no_failure() {
    let file = tempfile("cache");
    let script = format!(
        "dd if=/dev/zero of={0} bs=1M count=150 status=none && cat {0} | wc -c; rm {0}",
        file.display()
    );
    let Some(run) = run(64 * MIB, Command::new("sh").args(["-c", &script]), PATIENCE) else {
        return;
    };
    assert_eq!((run.exit, run.oom_kills), (Exit::Code(0), 0), "{run:?}");
    assert!(run.peak_resident < 16 * MIB, "{run:?}");
}

#[test]
fn what_does_not_end_is_killed_with_what_it_started() {
    let start = Instant::now();
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 1000 & sleep 1000"]);
    let Some(run) = run(64 * MIB, &mut command, Duration::from_millis(300)) else {
        return;
    };
    assert_eq!(run.exit, Exit::TimedOut);
    assert!(start.elapsed() < PATIENCE);
    assert!(matches!(judge(&run, |_| Ok(()), &[]), Verdict::Hung { .. }));
}

#[test]
fn a_panic_leaves_neither_process_nor_group_behind() {
    let Some(cage) = Cage::or_skip(64 * MIB) else {
        return;
    };
    let group = format!("{cage:?}");
    let directory = group.split('"').nth(1).unwrap().to_owned();
    assert!(std::path::Path::new(&directory).is_dir(), "{directory}");
    let failed = panic::catch_unwind(move || {
        let mut command = Command::new("sleep");
        let caged = cage.spawn(command.arg("1000")).unwrap();
        let id = caged.id();
        panic::panic_any(id);
    });
    let id = *failed.unwrap_err().downcast::<u32>().unwrap();
    assert!(!std::path::Path::new(&directory).exists(), "{directory}");
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let Some(cage) = Cage::or_skip(64 * MIB) else {
        return;
    };
    let mut absent = Command::new("/nonexistent/program");
    assert!(cage.run(&mut absent, PATIENCE).is_err());
}

fn tempfile(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}
