//! `tpch-data`: makes TPC-H data as Parquet, or finds that it is there already.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use plimsoll_bench::{paths, tpch};

/// Make TPC-H tables as Parquet files. Complete data is reused, other data is made again.
#[derive(Parser)]
#[command(name = "tpch-data")]
struct Options {
    /// TPC-H's scale factor: 1 is about 6 million line items, 320 MiB of Parquet
    #[arg(long, default_value = "1", value_name = "S")]
    scale: tpch::Scale,
    /// The directory to make [default: target/tpch/scale-S]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let dir = options.out.unwrap_or_else(|| paths::data(options.scale));
    match tpch::ensure(&dir, options.scale) {
        Ok(_) => {
            println!("{}", dir.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
