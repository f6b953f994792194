//! Runs of the binary in a cage, and the table that a test makes of them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use plimsoll_bench::answers::{self, Answer};
use plimsoll_bench::{paths, tpch};
use plimsoll_cage::{Cage, Run, Verdict, human, judge, spelled};
use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;

/// What a run may take in a debug build on a busy machine before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// TPC-H data at scale 0.1: 866,602 rows, 30 MB of Parquet.
pub static TPCH: LazyLock<PathBuf> = LazyLock::new(|| tpch_data("0.1"));

/// TPC-H data, made if it is not there.
pub fn tpch_data(scale: &str) -> PathBuf {
    let scale = scale.parse().unwrap();
    let directory = paths::data(scale);
    tpch::ensure(&directory, scale).unwrap();
    directory
}

/// A directory on the disk of the build that stays from one run of the tests to the next.
pub fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A directory to spill to, on the disk of the build: what `/tmp` holds may be memory.
pub fn spill_directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The binary, with settings from here alone.
pub fn plimsoll(command: &str, line: u64, spill: &TempDir) -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    process
        .env_clear()
        .env("SPARK_LOCAL_DIRS", spill.path())
        .args([command, "--memory", &spelled(line)]);
    process
}

/// Runs of one test. Whoever made them must ask whether [they all kept the line](Runs::assert_kept).
#[derive(Default)]
pub struct Runs {
    table: String,
    broken: Vec<String>,
}

impl Runs {
    /// Runs `plimsoll sql` in a cage of `line` bytes on a statement over the tables of a directory. `None` where no
    /// cage can be made.
    pub fn sql(
        &mut self,
        name: &str,
        line: u64,
        tables: &Path,
        sql: &str,
        answer: &Answer,
        other_errors: &[&str],
    ) -> Option<Verdict> {
        let cage = Cage::or_skip(line)?;
        let spill = spill_directory();
        let file = spill.path().join("query.sql");
        fs::write(&file, sql).unwrap();
        let mut command = plimsoll("sql", line, &spill);
        command
            .args(["--output", "csv", "--tables"])
            .args([tables, Path::new("-f"), &file]);
        let run = cage.run(&mut command, PATIENCE).unwrap();
        let check = |csv: &str| {
            let names = answers::names(csv);
            match answers::difference(&answers::parse(csv), answer, &names, sql) {
                None => Ok(()),
                Some(difference) => Err(difference),
            }
        };
        let verdict = judge(&run, check, other_errors);
        self.add(name, &run, &verdict, verdict.is_kept());
        Some(verdict)
    }

    /// Takes a run into the table.
    pub fn add(&mut self, name: &str, run: &Run, verdict: &Verdict, kept: bool) {
        let told: String = verdict.to_string().chars().take(300).collect();
        let row = format!(
            "{name:<34} {:>8} line {:>10} resident {:>10} kernel {:>6.1} s  {told}",
            human(run.line),
            human(run.peak_resident),
            human(run.peak_kernel),
            run.seconds,
        );
        // One line of one run, as soon as it is there: with --nocapture it is the progress.
        eprintln!("{row}");
        let _ = writeln!(self.table, "{row}");
        if !kept {
            self.broken.push(row);
        }
    }

    /// Takes in that something else is not as it must be.
    pub fn broke(&mut self, what: String) {
        eprintln!("{what}");
        self.broken.push(what);
    }

    /// Fails if a run broke a rule, and says which.
    pub fn assert_kept(self) {
        assert!(
            self.broken.is_empty(),
            "{} broke a rule:\n{}\nof these runs:\n{}",
            self.broken.len(),
            self.broken.join("\n"),
            self.table
        );
    }
}
