//! `joins`: the hash join of this engine beside DataFusion's, in plans that are the same but for it.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use plimsoll_bench::beside::{self, Comparison};
use plimsoll_bench::paths;
use plimsoll_exec::{DynamicFilters, HybridHashJoins};

/// Compare the hash join that spills with DataFusion's, over the joins of TPC-H
///
/// Each query runs with one and with the other in turn, in this process, with the same settings and the same plan but
/// for the join. Prints medians, the median of the ratios of each two runs, and the geometric mean of these.
#[derive(Parser)]
#[command(name = "joins")]
struct Options {
    #[command(flatten)]
    beside: beside::Options,
    /// The queries, such as 5,9 [default: those that join]
    #[arg(long, value_delimiter = ',', value_name = "N,…", value_parser = clap::value_parser!(u8).range(1..=22))]
    queries: Vec<u8>,
}

fn main() -> ExitCode {
    plimsoll_allocator::install();
    let options = Options::parse();
    let comparison = queries(options.queries).map(|queries| Comparison {
        operators: ["HashJoinExec", "HybridHashJoinExec"],
        rules: |state| {
            let mut rules = HybridHashJoins::new(200).add_to(state.physical_optimizers());
            rules.push(Arc::new(DynamicFilters));
            rules
        },
        queries,
    });
    beside::compare(&options.beside, comparison)
}

fn queries(mut numbers: Vec<u8>) -> Result<Vec<(String, String)>> {
    if numbers.is_empty() {
        // Queries 1 and 6 have no join.
        numbers = (2..=22).filter(|&number| number != 6).collect();
    }
    let query = |number: u8| {
        let sql = std::fs::read_to_string(paths::query(number))
            .with_context(|| format!("cannot read query {number}"))?;
        Ok((format!("q{number}"), sql))
    };
    numbers.into_iter().map(query).collect()
}
