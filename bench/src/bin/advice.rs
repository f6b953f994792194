//! `advice`: follows what is advised on random pairs of a query and a line, and counts how often it was right.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use plimsoll_bench::advice::draw::{self, Pair};
use plimsoll_bench::advice::table::{Judged, drawn, right_of};
use plimsoll_bench::advice::{Engine, Held, Outcome, follow, least};
use plimsoll_bench::progress::Progress;
use plimsoll_bench::{paths, tpch};

/// Follow what is advised on random pairs of a query and settings, and count how often it was right
///
/// Pairs are drawn from a seed: sorts, aggregates, joins, windows, lists, TPC-H's own, over its data at scale 0.1, in lines
/// from 64m up, some with cached tables, little room on disk or no memory lent. Those that have no trouble are drawn anew.
/// An advice is right if what it promises is seen in two of three tries, and, if it is about memory, a third of it would
/// not have done.
#[derive(Parser)]
#[command(name = "advice", after_help = EXAMPLES)]
struct Options {
    /// Where the pairs come from
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many pairs with trouble
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pairs: u64,
    /// Only the pair with this number, with its query
    #[arg(long, value_name = "N")]
    only: Option<u64>,
    /// Follow each of the changes that are advised, and not the first alone
    #[arg(long)]
    each: bool,
    /// Look for the least memory that would have done, too: some six more runs for a pair
    #[arg(long)]
    least: bool,
    /// End with status 1 if a smaller share is right
    #[arg(long, default_value_t = 0.9, value_name = "SHARE")]
    at_least: f64,
    /// Seconds that a run may take
    #[arg(long, default_value_t = 60, value_name = "S")]
    timeout: u64,
    /// The plimsoll binary [default: the one beside this one]
    #[arg(long, value_name = "PATH")]
    plimsoll: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  bench/advice                          20 pairs of seed 1
  bench/advice --seed 7 --pairs 50
  bench/advice --seed 7 --only 12       what pair 12 of seed 7 is, and what comes of it
  bench/advice --each --at-least 0.8    the second and third advice too
  bench/advice --least                  how far from what is needed the advice is";

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

/// Whether enough of what was advised was right.
fn run(options: &Options) -> Result<bool> {
    let engine = engine(options)?;
    let progress = Progress::new(options.pairs, "{msg} {wide_bar} {pos} of {len} {elapsed}");
    let numbers = match options.only {
        Some(number) => number..number + 1,
        // A seed without trouble would go on for ever.
        None => 0..options.pairs * 10,
    };
    let mut all = Vec::new();
    let mut pairs = 0;
    for number in numbers {
        if pairs == options.pairs {
            break;
        }
        let pair = draw::pair(options.seed, number);
        progress.now(pair.name.clone());
        if options.only.is_some() {
            progress.say(&pair.run.to_string());
        }
        let Some(before) = pair.run.go(&engine)? else {
            progress.say(&format!(
                "{number}. {}: took too long\n{}",
                pair.name, pair.run
            ));
            continue;
        };
        if !before.has_trouble() {
            continue;
        }
        if let Some(error) = before.error_of_its_own() {
            progress.say(&format!("{number}. cannot be run: {error}\n{}", pair.run));
            continue;
        }
        for judged in judge(options, number, &pair, &before, &engine)? {
            progress.say(&judged.told());
            all.push(judged);
        }
        pairs += 1;
        progress.add(1);
    }
    drop(progress);
    println!("{}", drawn(&all));
    let (right, followed) = right_of(&all);
    Ok(right as f64 >= followed as f64 * options.at_least)
}

/// Follows the first of the changes that a pair is advised, or each of them.
fn judge(
    options: &Options,
    number: u64,
    pair: &Pair,
    before: &Outcome,
    engine: &Engine,
) -> Result<Vec<Judged>> {
    if before.advice.is_empty() {
        let held = Held::Wrong("nothing is advised".to_owned());
        return Ok(vec![Judged::new(number, pair, before, String::new(), held)]);
    }
    let most = match options.each {
        true => before.advice.len(),
        false => 1,
    };
    let mut all = Vec::new();
    for advice in &before.advice[..most] {
        let held = follow(&pair.run, before, advice, engine)?;
        let change = advice.change.to_string();
        let mut judged = Judged::new(number, pair, before, change, held);
        if options.least {
            judged.least = least(&pair.run, before, advice, engine)?;
        }
        all.push(judged);
    }
    Ok(all)
}

fn engine(options: &Options) -> Result<Engine> {
    let program = match &options.plimsoll {
        Some(path) => path.clone(),
        None => env::current_exe()
            .context("cannot tell where this program is")?
            .with_file_name("plimsoll"),
    };
    ensure!(
        program.is_file(),
        "there is no plimsoll binary at {}: `cargo build --release --bin plimsoll` makes it",
        program.display()
    );
    let scale = "0.1".parse().map_err(anyhow::Error::msg)?;
    let tables = paths::data(scale);
    tpch::ensure(&tables, scale)?;
    let scratch = paths::target().join("bench-advice");
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    Ok(Engine {
        program: fs::canonicalize(program).context("cannot find the plimsoll binary")?,
        tables,
        scratch,
        patience: Duration::from_secs(options.timeout),
    })
}
