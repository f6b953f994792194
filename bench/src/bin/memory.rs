//! `memory`: runs TPC-H queries and hostile files in memory cgroups, in this engine and in others.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use plimsoll_bench::answers::{self, Answer};
use plimsoll_bench::hostile::{Input, Size};
use plimsoll_bench::memory::engine::{Engine, Programs};
use plimsoll_bench::memory::outcome::Outcome;
use plimsoll_bench::memory::table;
use plimsoll_bench::progress::Progress;
use plimsoll_bench::{paths, tpch};
use plimsoll_cage::{Cage, human, judge};

/// Run TPC-H in memory cgroups of exactly the line, side by side with other engines
///
/// Prints a table for each line: right or refused, seconds, spilled, reserved, allocated, resident. The data, and the
/// right answers by DuckDB without a limit, are made when they are not there.
#[derive(Parser)]
#[command(name = "memory")]
struct Options {
    /// TPC-H's scale factor
    #[arg(long, default_value = "10", value_name = "S")]
    scale: tpch::Scale,
    /// The lines
    #[arg(long, value_delimiter = ',', default_value = "256m,512m,1g,4g", value_parser = size, value_name = "M,…")]
    lines: Vec<u64>,
    /// The queries, such as 1,5,9 [default: all 22]
    #[arg(long, value_delimiter = ',', value_name = "N,…", value_parser = clap::value_parser!(u8).range(1..=22))]
    queries: Vec<u8>,
    /// The engines; a share behind a colon is what one is told of the line, in percent
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "plimsoll,datafusion,datafusion:80,duckdb,duckdb:80",
        value_name = "E,…"
    )]
    engines: Vec<Engine>,
    /// Hostile files instead of TPC-H
    #[arg(long, conflicts_with_all = ["queries", "scale"])]
    hostile: bool,
    /// Where the table goes beside stdout; as JSON when it ends in .json. Written anew after each run
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Seconds that a run may take
    #[arg(long, default_value_t = 600, value_name = "S")]
    timeout: u64,
    /// The plimsoll binary [default: the one beside this one]
    #[arg(long, value_name = "PATH")]
    plimsoll: Option<PathBuf>,
    /// A Python with the wheels duckdb and datafusion
    #[arg(
        long,
        env = "BENCH_PYTHON",
        default_value = "python3",
        value_name = "PATH"
    )]
    python: PathBuf,
}

/// A query of the comparison.
struct Task {
    name: String,
    tables: PathBuf,
    sql: String,
    answer: Answer,
    names: Vec<String>,
    other_errors: &'static [&'static str],
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every run of this engine kept its line.
fn run(options: &Options) -> Result<bool> {
    let programs = programs(options)?;
    let tasks = match options.hostile {
        true => hostile_tasks()?,
        false => tpch_tasks(options)?,
    };
    let title = match options.hostile {
        true => "Hostile files in a memory cgroup".to_owned(),
        false => format!("TPC-H at scale {} in a memory cgroup", options.scale),
    };
    let machine = machine();
    let work = paths::target().join("bench-memory");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;

    let steps = options.lines.len() * tasks.len() * options.engines.len();
    let progress = Progress::new(
        steps as u64,
        "{msg} {wide_bar} {pos} of {len} runs {elapsed}",
    );
    let mut outcomes = Vec::new();
    let mut warm = HashMap::new();
    for &line in &options.lines {
        for task in &tasks {
            warm.entry(task.tables.clone())
                .or_insert_with(|| read_all(&task.tables));
            for &engine in &options.engines {
                progress.now(format!("{} {engine} {}", task.name, human(line)));
                let timeout = Duration::from_secs(options.timeout);
                let outcome = run_one(&programs, engine, task, line, &work, timeout)?;
                progress.say(&told(&outcome));
                progress.add(1);
                outcomes.push(outcome);
                if let Some(file) = &options.output {
                    write(file, &outcomes, &machine, &title)?;
                }
            }
        }
    }
    drop(progress);
    println!("{}", table::draw(&outcomes, &machine, &title));
    let kept = |outcome: &Outcome| outcome.engine != Engine::Plimsoll || outcome.verdict.is_kept();
    Ok(outcomes.iter().all(kept))
}

fn run_one(
    programs: &Programs,
    engine: Engine,
    task: &Task,
    line: u64,
    work: &Path,
    timeout: Duration,
) -> Result<Outcome> {
    let cage = Cage::new(line)
        .map_err(|reason| anyhow!("a memory cgroup is needed and cannot be made: {reason}"))?;
    let spill = work.join("spill");
    // What a killed engine has left behind.
    let _ = fs::remove_dir_all(&spill);
    fs::create_dir_all(&spill).with_context(|| format!("cannot create {}", spill.display()))?;
    let file = work.join("query.sql");
    fs::write(&file, &task.sql).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = engine.command(programs, line, &task.tables, &file, &spill);
    let run = cage
        .run(&mut command, timeout)
        .with_context(|| format!("cannot run {engine}"))?;
    let check = |csv: &str| {
        let names: Vec<&str> = task.names.iter().map(String::as_str).collect();
        match answers::difference(&answers::parse(csv), &task.answer, &names, &task.sql) {
            None => Ok(()),
            Some(difference) => Err(difference),
        }
    };
    let verdict = match engine {
        Engine::Plimsoll => judge(&run, check, task.other_errors),
        // Of the others any error will do: only this engine promises words.
        _ => judge(&run, check, &[""]),
    };
    let _ = fs::remove_dir_all(&spill);
    Ok(Outcome::new(engine, &task.name, &run, &verdict))
}

fn told(outcome: &Outcome) -> String {
    let words: String = outcome.words.chars().take(200).collect();
    format!(
        "{:>8} {:<14} {:<6} {:>7.1} s {:>10} resident  {words}",
        human(outcome.line),
        outcome.engine.to_string(),
        outcome.query,
        outcome.seconds,
        human(outcome.resident)
    )
}

fn write(file: &Path, outcomes: &[Outcome], machine: &str, title: &str) -> Result<()> {
    let text = match file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        true => serde_json::to_string_pretty(outcomes)?,
        false => table::draw(outcomes, machine, title),
    };
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn programs(options: &Options) -> Result<Programs> {
    let plimsoll = match &options.plimsoll {
        Some(path) => path.clone(),
        None => env::current_exe()
            .context("cannot tell where this program is")?
            .with_file_name("plimsoll"),
    };
    ensure!(
        plimsoll.is_file(),
        "there is no plimsoll binary at {}: `cargo build --release --bin plimsoll` makes it",
        plimsoll.display()
    );
    Ok(Programs {
        plimsoll: fs::canonicalize(plimsoll).context("cannot find the plimsoll binary")?,
        python: options.python.clone(),
        script: Path::new(env!("CARGO_MANIFEST_DIR")).join("engines.py"),
    })
}

fn tpch_tasks(options: &Options) -> Result<Vec<Task>> {
    let tables = paths::data(options.scale);
    tpch::ensure(&tables, options.scale)?;
    let queries = match options.queries.is_empty() {
        true => (1..=22).collect(),
        false => options.queries.clone(),
    };
    let recorded = paths::target()
        .join("tpch")
        .join(format!("answers-{}", options.scale));
    let missing: Vec<String> = queries
        .iter()
        .filter(|number| !recorded.join(format!("q{number}.csv")).exists())
        .map(u8::to_string)
        .collect();
    if !missing.is_empty() {
        record(options, &tables, &recorded, &missing.join(","))?;
    }
    let task = |number: &u8| -> Result<Task> {
        let file = recorded.join(format!("q{number}.csv"));
        let csv =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let query = paths::query(*number);
        Ok(Task {
            name: format!("q{number}"),
            tables: tables.clone(),
            sql: fs::read_to_string(&query)
                .with_context(|| format!("cannot read {}", query.display()))?,
            answer: answers::parse(&csv),
            names: answers::names(&csv)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            other_errors: &[],
        })
    };
    queries.iter().map(task).collect()
}

/// Has DuckDB answer, with all the memory of the machine.
fn record(options: &Options, tables: &Path, to: &Path, queries: &str) -> Result<()> {
    eprintln!(
        "recording DuckDB's answers at scale {} in {}",
        options.scale,
        to.display()
    );
    let verify = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify");
    let status = Command::new(&options.python)
        .arg(verify)
        .args(["--scale", &options.scale.to_string(), "--queries", queries])
        .args([Path::new("--tables"), tables, Path::new("--record"), to])
        .stdout(io::stderr())
        .status()
        .context("cannot run bench/verify")?;
    ensure!(status.success(), "bench/verify --record failed: {status}");
    Ok(())
}

fn hostile_tasks() -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for input in Input::ALL {
        let tables = input.ensure(&paths::target().join("hostile"), Size::FULL)?;
        for statement in input.statements(Size::FULL) {
            tasks.push(Task {
                name: format!("{}: {}", input.describe(Size::FULL), statement.name),
                tables: tables.clone(),
                sql: statement.sql,
                answer: statement.answer,
                names: Vec::new(),
                other_errors: input.other_errors(),
            });
        }
    }
    Ok(tasks)
}

/// Reads all files of a directory, so that the first engine does not pay for the disk. What is in the page cache
/// already is charged to nobody's cage.
fn read_all(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path);
        } else if let Ok(mut file) = fs::File::open(&path) {
            // A file that cannot be read will be told of by whoever needs it.
            let _ = io::copy(&mut file, &mut io::sink());
        }
    }
}

/// The size of this machine, in a sentence.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "Measured on {cores} cores, {} of memory, Linux {}. Each run is a process of its own in a memory cgroup limited to \
         the line, without swap; \"resident\" is the highest sample of `RssAnon + RssShmem`, taken every 5 ms. For the \
         others the memory of Python (30 to 60 MiB) is in it.",
        human(kib << 10),
        kernel.trim()
    )
}

/// A line as settings take it: `256m`, `1g`.
fn size(text: &str) -> Result<u64> {
    let (digits, shift) = match text.to_ascii_lowercase() {
        text if text.ends_with('g') => (text[..text.len() - 1].to_owned(), 30),
        text if text.ends_with('m') => (text[..text.len() - 1].to_owned(), 20),
        _ => return Err(anyhow!("'{text}' is no line such as 256m or 1g")),
    };
    let number: u64 = digits
        .parse()
        .with_context(|| format!("'{text}' is no line such as 256m or 1g"))?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| (64 << 20..1 << 50).contains(bytes))
        .with_context(|| format!("a line is at least 64m, and '{text}' is not, or too much"))
}
