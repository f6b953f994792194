//! A function that allocates 300 MB for each batch and announces none of it, within a line that the kernel enforces.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use plimsoll_cage::{Cage, judge};

/// At a line of 1 GiB.
const LINE: u64 = 1 << 30;
const BYTES: u64 = 300_000_000;

/// Some hundred batches, and groups that would fill the line by themselves.
const ROWS: u64 = 1_000_000;

#[test]
fn a_function_that_takes_memory_unannounced_does_not_end_the_process() {
    let Some(cage) = Cage::or_skip(LINE) else {
        return;
    };
    // What `/tmp` holds may be memory.
    let spill = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_embedder"));
    command
        .env_clear()
        .env("SPARK_LOCAL_DIRS", spill.path())
        .args(["--memory", "1g"])
        .args(["--bytes", &BYTES.to_string()])
        .args(["--rows", &ROWS.to_string()]);
    let run = cage.run(&mut command, Duration::from_secs(120)).unwrap();
    let check = |answer: &str| {
        let expected = format!("rows,total\n{ROWS},{}\n", ROWS * (ROWS - 1) / 2);
        match answer == expected {
            true => Ok(()),
            false => Err(format!("{answer:?} instead of {expected:?}")),
        }
    };
    let verdict = judge(&run, check, &[]);
    eprintln!("{verdict}; {run:?}");
    assert!(verdict.is_kept(), "{verdict}: {run:?}");
}
