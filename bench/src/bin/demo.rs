//! `demo`: runs the 22 TPC-H queries with the real binary, inside a memory that the user chose, and shows a table.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use plimsoll_bench::demo::child::{Engine, Outcome, Stop};
use plimsoll_bench::demo::summary::{self, Run};
use plimsoll_bench::progress::Progress;
use plimsoll_bench::{paths, tpch};

/// Run the TPC-H queries inside a memory that you choose
///
/// Makes the data when it is not there, then runs each query in a fresh plimsoll process. What a query returned is in
/// target/demo/qN.out, what it said in qN.err.
#[derive(Parser)]
#[command(name = "demo")]
struct Options {
    /// TPC-H's scale factor: 1 is about 6 million line items, 320 MiB of Parquet
    #[arg(long, default_value = "1", value_name = "S")]
    scale: tpch::Scale,
    /// The directory of the data [default: target/tpch/scale-S]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The memory of each process, as plimsoll's --memory takes it
    #[arg(long, default_value = "1g", value_name = "M")]
    memory: String,
    /// The queries to run, such as 1,5,9 [default: all 22]
    #[arg(long, value_delimiter = ',', value_name = "N,…", value_parser = clap::value_parser!(u8).range(1..=22))]
    queries: Vec<u8>,
    /// The plimsoll binary [default: the one beside this one]
    #[arg(long, value_name = "PATH")]
    plimsoll: Option<PathBuf>,
    /// Run a PySpark script instead, bench/pyspark/demo.py, with the Python that PYSPARK_PYTHON names
    #[arg(long, conflicts_with_all = ["queries", "memory", "timeout"])]
    pyspark: bool,
    /// Seconds after which a query is stopped
    #[arg(long, default_value_t = 600, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<ExitCode> {
    let binary = match options.plimsoll {
        Some(path) => path,
        None => env::current_exe()
            .context("cannot tell where this program is")?
            .with_file_name("plimsoll"),
    };
    ensure!(
        binary.is_file(),
        "there is no plimsoll binary at {}: build it with `cargo build --release --bin plimsoll`, or name one with \
         --plimsoll",
        binary.display()
    );
    // A relative path would be searched for in PATH if it had no directory.
    let binary =
        fs::canonicalize(&binary).with_context(|| format!("cannot find {}", binary.display()))?;
    let tables = options.data.unwrap_or_else(|| paths::data(options.scale));
    tpch::ensure(&tables, options.scale)?;
    if options.pyspark {
        return run_script(&binary, &tables);
    }

    let output = paths::target().join("demo");
    fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
    let queries = if options.queries.is_empty() {
        (1..=22).collect()
    } else {
        options.queries
    };
    let timeout = Duration::from_secs(options.timeout);
    let engine = Engine {
        binary,
        tables,
        memory: options.memory,
        output,
        timeout,
    };

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime that waits for the queries")?;
    let runs = runtime.block_on(run_all(&engine, &queries))?;

    println!("{}", summary::draw(&runs, &engine.memory));
    if let Some((_, Outcome::Interrupted(signal))) = runs.last() {
        return Ok(ExitCode::from(
            128u8.saturating_add(u8::try_from(*signal).unwrap_or(0)),
        ));
    }
    match summary::failures(&runs) {
        0 => Ok(ExitCode::SUCCESS),
        failed => {
            let output = engine.output.display();
            eprintln!(
                "{failed} of {} queries failed; what each said is in {output}/qN.err",
                runs.len()
            );
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Runs the PySpark script on the tables, and ends as it does.
fn run_script(binary: &Path, tables: &Path) -> Result<ExitCode> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pyspark/demo.py");
    // The script's Ctrl-C is for the command: this program ends after it.
    let status = Command::new(binary)
        .args(["run", "--report", "text", "--tables"])
        .args([tables, &script])
        .status()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Runs the queries one after the other, up to the one in which the user asked to stop.
async fn run_all(engine: &Engine, queries: &[u8]) -> Result<Vec<Run>> {
    let mut stop = Stop::listen()?;
    let progress = Progress::new(
        queries.len() as u64,
        "{msg:>3} {wide_bar} {pos:>2} of {len} queries {elapsed}",
    );
    let mut runs = Vec::new();
    for number in queries {
        let name = format!("q{number}");
        progress.now(name.clone());
        let outcome = engine.run(&name, &paths::query(*number), &mut stop).await?;
        if let Outcome::Failed(reason) = &outcome {
            progress.say(&format!("{name}: {reason}"));
        }
        let interrupted = matches!(outcome, Outcome::Interrupted(_));
        runs.push((name, outcome));
        if interrupted {
            break;
        }
        progress.add(1);
    }
    Ok(runs)
}
