//! A program of somebody else's: it embeds the engine and registers a function of its own, which allocates a lot for each
//! batch and announces none of it.
//!
//! ```text
//! embedder --memory 1g --bytes 300000000 --rows 1000000
//! ```
//!
//! prints `rows,total` and their values as CSV, or an error with exit status 1, as `plimsoll sql` does.

mod burst;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::logical_expr::ScalarUDF;
use futures::TryStreamExt;
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::Session;

use burst::Burst;

/// Embeds the engine, with a function that takes memory unannounced
#[derive(Parser)]
struct Options {
    /// The line
    #[arg(long)]
    memory: String,
    /// Bytes that the function allocates, and writes to, for each batch
    #[arg(long)]
    bytes: usize,
    /// Rows to call it on
    #[arg(long)]
    rows: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    plimsoll_allocator::install();
    match run(&Options::parse()).await {
        Ok((rows, total)) => {
            println!("rows,total\n{rows},{total}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Calls the function on each row beside an aggregate that would like all the memory there is.
async fn run(options: &Options) -> Result<(String, String), Box<dyn Error>> {
    let mut conf = Conf::default();
    conf.set("spark.plimsoll.memory", &options.memory, Origin::Code)?;
    let session = Session::new(conf, Machine::detect()?, Vec::new())?;
    session.register_function(ScalarUDF::from(Burst::new(options.bytes)));
    let sql = format!(
        "SELECT sum(n) AS n, sum(total) AS total FROM \
         (SELECT id % 1000003 AS k, count(*) AS n, sum(burst(id)) AS total FROM range({}) GROUP BY id % 1000003)",
        options.rows
    );
    let rows = session.sql(&sql).await?.rows;
    let Some(rows) = rows else {
        return Ok(Default::default());
    };
    let batches: Vec<_> = rows.try_collect().await?;
    let value = |column: usize| -> Option<String> {
        let batch = batches.iter().find(|batch| batch.num_rows() > 0)?;
        array_value_to_string(batch.column(column), 0).ok()
    };
    Ok((value(0).unwrap_or_default(), value(1).unwrap_or_default()))
}
