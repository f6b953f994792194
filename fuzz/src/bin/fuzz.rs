//! `fuzz`: random queries in little memory, against engines that have plenty.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use plimsoll_fuzz::finding::{Finding, describe};
use plimsoll_fuzz::generate::{Scale, case};
use plimsoll_fuzz::hunt::{Hunt, Plan};
use plimsoll_fuzz::outcome::Strict;
use plimsoll_fuzz::stock::Bounds;
use plimsoll_fuzz::worker::{Worker, serve};

const EXAMPLES: &str = "Examples:
  fuzz --seed 1 --minutes 60                    an hour on one seed
  fuzz --seed 1 --minutes 60 --strict ours --assert-coverage
                                                a refused operator of this engine, or a path of an operator that was never
                                                taken, fails
  fuzz --seed 1 --duckdb .venv/bin/python       DuckDB is asked too
  fuzz --seed 1 --case 17                       one case again, with its SQL
  fuzz --replay target/fuzz/seed-1-case-17.json a failure again, as small as it was made";

/// Random queries in little memory, against engines that have plenty
///
/// Makes tables and queries from a seed, runs them in a session with 2 MB of execution memory and up, and compares the
/// answers with those of stock DataFusion with memory enough, and of DuckDB where there is one. Failures are made
/// smaller and written down. Progress goes to stderr, what was found to stdout; the exit status is 1 if something was.
#[derive(Parser)]
#[command(name = "fuzz", after_help = EXAMPLES)]
struct Args {
    /// Which cases: the same seed makes the same ones
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Minutes after which no case is begun
    #[arg(long, default_value_t = 1.0, value_name = "M")]
    minutes: f64,
    /// Only this case
    #[arg(long, value_name = "K")]
    case: Option<u64>,
    /// The case to begin with
    #[arg(long, default_value_t = 0, value_name = "K")]
    first: u64,
    /// Cases after which it is enough
    #[arg(long, value_name = "COUNT")]
    cases: Option<u64>,
    /// How large cases are: full for optimized builds, small for others
    #[arg(long, value_enum, default_value_t = Size::Full)]
    scale: Size,
    /// Run the case of a file that was written for a failure
    #[arg(long, value_name = "FILE", conflicts_with = "case")]
    replay: Option<PathBuf>,
    /// A Python with the module duckdb
    #[arg(long, value_name = "PYTHON")]
    duckdb: Option<PathBuf>,
    /// Which refusals of memory are failures
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    strict: Strict,
    /// Fail when an operator did not take one of its paths for little memory in any case: spill, cut a partition again,
    /// merge in two passes, give memory back, …, by type of join, function and frame
    #[arg(long)]
    assert_coverage: bool,
    /// Seconds after which a case hangs
    #[arg(long, default_value_t = 60, value_name = "S")]
    limit: u64,
    /// Seconds for making a failure smaller
    #[arg(long, default_value_t = 120, value_name = "S")]
    shrink: u64,
    /// Where failures are written
    #[arg(long, default_value = "target/fuzz", value_name = "DIR")]
    out: PathBuf,
    /// Answer cases from stdin on stdout
    #[arg(long, hide = true)]
    worker: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Size {
    Full,
    Small,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.worker {
        true => serve(BOUNDS, args.duckdb).map(|()| true),
        false => hunt(args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

const BOUNDS: Bounds = Bounds {
    memory: 3 << 30,
    rows: 300_000,
    time: Duration::from_secs(20),
};

/// Runs cases, and says whether nothing was found.
fn hunt(args: Args) -> Result<bool> {
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot create {}", args.out.display()))?;
    let log = args.out.join(format!("worker-{}.log", std::process::id()));
    let scale = match args.scale {
        Size::Full => Scale::FULL,
        Size::Small => Scale::SMALL,
    };
    let plan = Plan {
        strict: args.strict,
        limit: Duration::from_secs(args.limit),
        shrinking: Duration::from_secs(args.shrink),
        directory: args.out.clone(),
    };
    if args.duckdb.is_none() {
        eprintln!("DuckDB is not asked: --duckdb names a Python that has it");
    }
    let mut hunt = Hunt::new(plan, Worker::new(BOUNDS, args.duckdb.clone(), log.clone()));
    let single = match (&args.replay, args.case) {
        (Some(path), _) => Some(Finding::read(path)?.case),
        (None, Some(number)) => Some(case(args.seed, number, scale)),
        (None, None) => None,
    };
    match single {
        Some(case) => {
            println!("{}", describe(&case));
            if let Some(text) = hunt.run(&case)? {
                println!("{text}");
            }
        }
        None => run_all(&args, scale, &mut hunt)?,
    }
    println!("{}", hunt.tally.draw());
    // It says nothing that the findings do not.
    let _ = fs::remove_file(log);
    let missing = hunt.tally.coverage.missing();
    if args.assert_coverage {
        for line in &missing {
            println!("{line}");
        }
    }
    let is_covered = !args.assert_coverage || missing.is_empty();
    Ok(is_covered && hunt.tally.failures.is_empty())
}

fn run_all(args: &Args, scale: Scale, hunt: &mut Hunt) -> Result<()> {
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(args.minutes.max(0.0) * 60.0);
    let mut told = started;
    let last = args.cases.map(|count| args.first + count);
    for number in args.first.. {
        if Instant::now() >= end || last.is_some_and(|last| number >= last) {
            break;
        }
        if let Some(text) = hunt.run(&case(args.seed, number, scale))? {
            println!("{text}");
        }
        if told.elapsed() >= Duration::from_secs(10) {
            told = Instant::now();
            let tally = &hunt.tally;
            let failed = tally.failed();
            eprintln!(
                "{:>4} s  case {number} of seed {}: {} passed, {} refused, {} skipped, {failed} failed",
                started.elapsed().as_secs(),
                args.seed,
                tally.passed,
                tally.refused,
                tally.skipped
            );
        }
    }
    Ok(())
}
