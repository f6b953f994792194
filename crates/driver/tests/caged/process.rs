//! A test in a process of its own, in a cage.

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use plimsoll_cage::{Cage, Verdict, judge};

pub const MIB: u64 = 1 << 20;

/// What a test may take in a debug build on a busy machine before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(240);

/// In the environment of a process that is in its cage.
const IS_CAGED: &str = "PLIMSOLL_IS_CAGED";

/// Runs the body of the test of this name, path included, in a process of its own: this program once more, with that test
/// alone, in a cage of `line` bytes. The process has to come to its end without having had more than the line resident.
pub fn in_cage(test: &str, line: u64, body: impl AsyncFnOnce()) {
    if env::var_os(IS_CAGED).is_some() {
        plimsoll_allocator::install();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        return runtime.unwrap().block_on(body());
    }
    let Some(cage) = Cage::or_skip(line) else {
        return;
    };
    // On the disk of the build: what `/tmp` holds may be memory.
    let spill = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .env_clear()
        .env(IS_CAGED, "1")
        .env("SPARK_LOCAL_DIRS", spill.path())
        .args([test, "--exact", "--nocapture"]);
    let run = cage.run(&mut command, PATIENCE).unwrap();
    let ran = |told: &str| match told.contains("test result: ok. 1 passed") {
        true => Ok(()),
        false => Err("it did not run".to_owned()),
    };
    let verdict = judge(&run, ran, &[]);
    eprintln!(
        "{test}: {verdict}, {} MiB resident at most of {} MiB, {:.1} s",
        run.peak_resident / MIB,
        line / MIB,
        run.seconds
    );
    assert_eq!(verdict, Verdict::Right, "{}", run.stderr.text);
}

/// Looks again and again until it is so; it has to become so before long.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("not in a minute: {what}");
}
