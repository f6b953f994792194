//! `memory`: runs TPC-H queries and hostile files in memory cgroups, in this engine and in others.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use plimsoll_bench::memory::engine::{Engine, Programs};
use plimsoll_bench::memory::outcome::{Kind, Outcome};
use plimsoll_bench::memory::peers;
use plimsoll_bench::memory::table;
use plimsoll_bench::memory::task::Task;
use plimsoll_bench::progress::Progress;
use plimsoll_bench::{paths, tpch};
use plimsoll_cage::{Cage, human};

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
    /// The lines [with --peers: 4g,1g,512m]
    #[arg(long, value_delimiter = ',', default_value = "256m,512m,1g,4g", default_value_if("peers", "true", "4g,1g,512m"), value_parser = size, value_name = "M,…")]
    lines: Vec<u64>,
    /// The queries, such as 1,5,9 [default: all 22]
    #[arg(long, value_delimiter = ',', value_name = "N,…", value_parser = clap::value_parser!(u8).range(1..=22))]
    queries: Vec<u8>,
    /// The engines; a share behind a colon is what one is told of the line, in percent
    ///
    /// [default: plimsoll, and datafusion and duckdb told all and 80 % of the line; for joins plimsoll, with ample memory
    /// too, duckdb:80 and datafusion-smj:80; for peers plimsoll, duckdb:80, datafusion:80, sail:80 and spark]
    #[arg(long, value_delimiter = ',', value_name = "E,…")]
    engines: Vec<Engine>,
    /// Hostile files instead of TPC-H
    #[arg(long, conflicts_with_all = ["queries", "scale"])]
    hostile: bool,
    /// Joins instead, whose smaller side takes half of the line, all of it, twice as much, and ten times; try
    /// --lines 256m, which takes 5 GB on disk
    #[arg(long, conflicts_with_all = ["queries", "scale", "hostile"], group = "repeated")]
    joins: bool,
    /// Beside the engines of `bench/peers`, which installs them: totals, ratios, and what was resident
    #[arg(long, conflicts_with_all = ["hostile", "h2o"], group = "repeated")]
    peers: bool,
    /// The questions of H2O's benchmark at 10 million rows instead: all, or those whose names begin so, such as
    /// groupby,join-05; try --lines 512m
    #[arg(long, conflicts_with_all = ["queries", "scale", "hostile", "joins"], num_args = 0.., value_delimiter = ',', value_name = "NAME,…")]
    h2o: Option<Vec<String>>,
    /// How often each join, or query beside peers, is run with each engine in turn
    #[arg(long, default_value_t = 3, requires = "repeated", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Drop the machine's page cache before each run: then the pages of tables, and of the engine's own program, are read within
    /// the cgroup and count there. Needs root
    #[arg(long)]
    cold: bool,
    /// Where the table goes beside stdout; as JSON when it ends in .json. Written anew after each run
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Seconds after which a run is ended [with --peers: 300]
    #[arg(
        long,
        default_value = "600",
        default_value_if("peers", "true", "300"),
        value_name = "S"
    )]
    timeout: u64,
    /// The plimsoll binary [default: the one beside this one]
    #[arg(long, value_name = "PATH")]
    plimsoll: Option<PathBuf>,
    /// A Python with the wheels duckdb and datafusion, for peers pysail and `pyspark[connect]` too
    #[arg(
        long,
        env = "BENCH_PYTHON",
        default_value = "python3",
        value_name = "PATH"
    )]
    python: PathBuf,
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
    let tasks = match (&options.h2o, options.hostile, options.joins) {
        (Some(names), ..) => Task::h2o(names, &programs)?,
        (_, true, _) => Task::hostile()?,
        (_, _, true) => Task::joins(&options.lines)?,
        _ => Task::tpch(options.scale, &queries(options), &options.python)?,
    };
    let mut engines = options.engines.clone();
    if engines.is_empty() {
        engines = match (options.joins, options.peers) {
            (true, _) => Engine::OVER_JOINS.to_vec(),
            (_, true) => Engine::PEERS.to_vec(),
            _ => Engine::ALL.to_vec(),
        };
    }
    if options.joins || options.peers {
        engines = engines.repeat(options.runs as usize);
    }
    let work = paths::target().join("bench-memory");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;

    let steps = options.lines.len() * tasks.len() * engines.len();
    let progress = Progress::new(
        steps as u64,
        "{msg} {wide_bar} {pos} of {len} runs {elapsed}",
    );
    let mut outcomes = Vec::new();
    let mut warm = HashSet::new();
    for (&line, task) in options
        .lines
        .iter()
        .flat_map(|line| tasks.iter().map(move |task| (line, task)))
    {
        if let Some(tables) = task
            .tables()
            .filter(|tables| !options.cold && warm.insert(tables.to_path_buf()))
        {
            read_all(tables);
        }
        for &engine in &engines {
            progress.add(1);
            // What hung once would take as long again, and tell no more.
            let has_hung = |outcome: &Outcome| {
                (outcome.engine, outcome.line, outcome.verdict) == (engine, line, Kind::Hung)
                    && outcome.query == task.name
            };
            if !task.applies(engine, line) || outcomes.iter().any(has_hung) {
                continue;
            }
            progress.now(format!("{} {engine} {}", task.name, human(line)));
            let outcome = run_one(options, &programs, engine, task, line, &work)?;
            progress.say(&told(&outcome));
            outcomes.push(outcome);
            if let Some(file) = &options.output {
                write(options, file, &outcomes)?;
            }
        }
    }
    drop(progress);
    println!("{}", drawn(options, &outcomes));
    Ok(outcomes.iter().all(Outcome::is_as_promised))
}

fn queries(options: &Options) -> Vec<u8> {
    match options.queries.is_empty() {
        true => (1..=22).collect(),
        false => options.queries.clone(),
    }
}

fn run_one(
    options: &Options,
    programs: &Programs,
    engine: Engine,
    task: &Task,
    line: u64,
    work: &Path,
) -> Result<Outcome> {
    let cage = Cage::new(engine.limit(line))
        .map_err(|reason| anyhow!("a memory cgroup is needed and cannot be made: {reason}"))?;
    let spill = work.join("spill");
    // What a killed engine has left behind.
    let _ = fs::remove_dir_all(&spill);
    fs::create_dir_all(&spill).with_context(|| format!("cannot create {}", spill.display()))?;
    let mut command = task.command(programs, engine, line, work)?;
    if options.cold {
        drop_page_cache()?;
    }
    let run = cage
        .run(&mut command, Duration::from_secs(options.timeout))
        .with_context(|| format!("cannot run {engine}"))?;
    let _ = fs::remove_dir_all(&spill);
    let verdict = task.judge(engine, &run);
    let outcome = Outcome::new(engine, &task.name, line, &run, &verdict);
    Ok(outcome.that_must_finish(task.must_finish(line)))
}

/// Makes the kernel forget what it has of files; see proc_sys_vm(5).
fn drop_page_cache() -> Result<()> {
    let switch = "/proc/sys/vm/drop_caches";
    rustix::fs::sync();
    fs::write(switch, "1").with_context(|| format!("cannot write {switch}, as --cold must"))
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

fn write(options: &Options, file: &Path, outcomes: &[Outcome]) -> Result<()> {
    let text = match file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        true => serde_json::to_string_pretty(outcomes)?,
        false => drawn(options, outcomes),
    };
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn drawn(options: &Options, outcomes: &[Outcome]) -> String {
    let title = match (&options.h2o, options.hostile, options.joins) {
        (_, true, _) => return table::hostile(outcomes, &machine()),
        (_, _, true) => return table::joins(outcomes, &machine()),
        (Some(_), ..) => "H2O's questions at 10 million rows".to_owned(),
        _ => format!("TPC-H at scale {}", options.scale),
    };
    match options.peers {
        true => peers::peers(outcomes, &machine(), &title),
        false => table::queries(outcomes, &machine(), &title),
    }
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
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // What follows the version names who built it.
    let kernel = release.trim().split('-').next().unwrap_or_default();
    format!(
        "Measured on {cores} cores, {} of memory, Linux {}. Each run is a process of its own in a memory cgroup limited to \
         the line, without swap; \"resident\" is the highest sample of `RssAnon + RssShmem`, taken every 5 ms. For the \
         others the memory of Python and its libraries (20 to 80 MiB) is in it.",
        human(kib << 10),
        kernel
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
