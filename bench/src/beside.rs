//! One of this engine's operators beside DataFusion's, in plans that are the same but for it.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt;

use crate::progress::Progress;
use crate::statistics::{geometric_mean, median};
use crate::{paths, tpch};

/// How often, on what and with how much the two run.
#[derive(Args)]
pub struct Options {
    /// TPC-H's scale factor
    #[arg(long, default_value = "10", value_name = "S")]
    scale: tpch::Scale,
    /// The memory pool in MiB
    #[arg(long, default_value_t = 4096, value_name = "MIB")]
    memory: usize,
    /// Runs of each query with each operator
    #[arg(long, default_value_t = 11, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// Physical optimizer rules.
pub type Rules = Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>;

/// What is compared.
pub struct Comparison {
    /// The operators' names, DataFusion's first.
    pub operators: [&'static str; 2],
    /// The rules of a session that has ours.
    pub rules: fn(&SessionState) -> Rules,
    /// Queries over TPC-H's tables, each with its name.
    pub queries: Vec<(String, String)>,
}

/// One query's seconds, each pair from two runs one after the other.
struct Measured {
    query: String,
    stock: Vec<f64>,
    ours: Vec<f64>,
}

/// Runs each query with one and with the other in turn, in this process, and prints medians, the median of the
/// ratios of each two runs, and the geometric mean of these.
pub fn compare(options: &Options, comparison: Result<Comparison>) -> ExitCode {
    match comparison.and_then(|comparison| run(options, &comparison)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, comparison: &Comparison) -> Result<()> {
    tpch::ensure(&paths::data(options.scale), options.scale)?;
    let threads = match options.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let measured = runtime.block_on(measure(options, comparison, threads))?;
    println!("{}", drawn(comparison.operators, &measured));
    println!(
        "TPC-H at scale {}, {threads} threads, {} MiB, {} runs of each. Geometric mean of the ratios: {:.3}",
        options.scale,
        options.memory,
        options.runs,
        geometric_mean(measured.iter().map(Measured::ratio)),
    );
    Ok(())
}

async fn measure(
    options: &Options,
    comparison: &Comparison,
    threads: usize,
) -> Result<Vec<Measured>> {
    let stock = session(options, threads, None).await?;
    let ours = session(options, threads, Some(comparison.rules)).await?;
    let queries = &comparison.queries;
    let progress = Progress::new(
        queries.len() as u64 * u64::from(options.runs),
        "{msg} {wide_bar} {pos} of {len} pairs of runs {elapsed}",
    );
    let mut all = Vec::new();
    for (query, sql) in queries {
        progress.now(query.clone());
        let mut measured = Measured {
            query: query.clone(),
            stock: Vec::new(),
            ours: Vec::new(),
        };
        // Once for the page cache, and to see that both answer the same.
        let (rows, same) = (seconds(&stock, sql).await?.1, seconds(&ours, sql).await?.1);
        ensure!(
            rows == same,
            "{query}: {rows} rows, and {same} with {}",
            comparison.operators[1]
        );
        for number in 0..options.runs {
            // Which comes first changes: what the first leaves behind may help or hurt the second.
            for ours_now in [number % 2 == 0, number % 2 != 0] {
                match ours_now {
                    true => measured.ours.push(seconds(&ours, sql).await?.0),
                    false => measured.stock.push(seconds(&stock, sql).await?.0),
                }
            }
            progress.add(1);
        }
        progress.say(&format!("{query}: {:.2}", measured.ratio()));
        all.push(measured);
    }
    Ok(all)
}

async fn session(
    options: &Options,
    threads: usize,
    rules: Option<fn(&SessionState) -> Rules>,
) -> Result<SessionContext> {
    let mut config = SessionConfig::new().with_target_partitions(threads);
    // As the engine sets them, for both.
    config.options_mut().execution.max_spill_file_size_bytes = ConfigNonZeroUsize::try_new(1)?;
    let consumers = NonZeroUsize::new(5).context("no consumers")?;
    let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory << 20), consumers);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool) as Arc<dyn MemoryPool>)
        .build_arc()?;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .build();
    if let Some(rules) = rules {
        let rules = rules(&state);
        state = SessionStateBuilder::new_from_existing(state)
            .with_physical_optimizer_rules(rules)
            .build();
    }
    let context = SessionContext::new_with_state(state);
    let data = paths::data(options.scale);
    for table in tpch::Table::ALL {
        let directory = data.join(table.name());
        let path = directory.to_string_lossy();
        context
            .register_parquet(table.name(), path.as_ref(), ParquetReadOptions::default())
            .await?;
    }
    Ok(context)
}

/// The seconds of one run, planning and all, and its rows.
async fn seconds(context: &SessionContext, sql: &str) -> Result<(f64, usize)> {
    let began = Instant::now();
    let mut stream = context.sql(sql).await?.execute_stream().await?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch?.num_rows();
    }
    Ok((began.elapsed().as_secs_f64(), rows))
}

impl Measured {
    /// The median of the ratios of runs that came one after the other.
    fn ratio(&self) -> f64 {
        let pairs = self.ours.iter().zip(&self.stock);
        median(pairs.map(|(ours, stock)| ours / stock))
    }
}

fn drawn(operators: [&str; 2], measured: &[Measured]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
        "query",
        operators[0],
        operators[1],
        "ratio",
    ]);
    for one in measured {
        table.add_row([
            one.query.clone(),
            format!("{:.3} s", median(one.stock.iter().copied())),
            format!("{:.3} s", median(one.ours.iter().copied())),
            format!("{:.3}", one.ratio()),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
