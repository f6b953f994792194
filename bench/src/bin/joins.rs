//! `joins`: the joins of this engine beside DataFusion's, in plans that are the same but for them.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use plimsoll_bench::beside::{self, Comparison};
use plimsoll_bench::paths;
use plimsoll_exec::{BlockNestedLoopJoins, DynamicFilters, HybridHashJoins};

/// Compare the joins that spill with DataFusion's, over TPC-H's data
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
    /// Joins without keys in place of TPC-H's queries; try --scale 1
    #[arg(long, conflicts_with = "queries")]
    nested_loops: bool,
}

/// Joins in which every row meets every row, by name.
const NESTED_LOOPS: [(&str, &str); 7] = [
    (
        "cross join",
        "SELECT sum(c_acctbal * n_nationkey) FROM customer, nation",
    ),
    (
        "cross join of texts",
        "SELECT max(c_comment), max(n_comment), count(*) FROM customer, nation",
    ),
    (
        "inner, a band",
        "SELECT count(*) FROM supplier JOIN part ON p_retailprice BETWEEN s_acctbal AND s_acctbal + 1",
    ),
    (
        "inner, most pairs match",
        "SELECT count(*) FROM lineitem JOIN nation ON l_quantity > n_nationkey",
    ),
    (
        "left, a band",
        "SELECT count(*), count(s_suppkey) FROM part LEFT JOIN (SELECT * FROM supplier WHERE s_suppkey <= 1000) AS s \
         ON p_retailprice BETWEEN s_acctbal AND s_acctbal + 1",
    ),
    (
        "exists",
        "SELECT count(*) FROM part WHERE EXISTS (SELECT 1 FROM supplier WHERE s_acctbal > p_retailprice * 4)",
    ),
    (
        "not exists, texts",
        "SELECT count(*) FROM part WHERE NOT EXISTS (SELECT 1 FROM supplier WHERE s_suppkey <= 1000 AND s_name < p_name)",
    ),
];

fn main() -> ExitCode {
    plimsoll_allocator::install();
    let options = Options::parse();
    let comparison = match options.nested_loops {
        true => Ok(nested_loops()),
        false => hash_joins(options.queries),
    };
    beside::compare(&options.beside, comparison)
}

fn hash_joins(numbers: Vec<u8>) -> Result<Comparison> {
    Ok(Comparison {
        operators: ["HashJoinExec", "HybridHashJoinExec"],
        rules: |state| {
            let mut rules = HybridHashJoins::new(200).add_to(state.physical_optimizers());
            rules.push(Arc::new(DynamicFilters));
            rules
        },
        queries: queries(numbers)?,
    })
}

fn nested_loops() -> Comparison {
    let owned = |(name, sql): (&str, &str)| (name.to_owned(), sql.to_owned());
    Comparison {
        operators: ["NestedLoopJoinExec", "BlockNestedLoopJoinExec"],
        rules: |state| {
            let mut rules = state.physical_optimizers().to_vec();
            rules.push(Arc::new(BlockNestedLoopJoins));
            rules
        },
        queries: NESTED_LOOPS.map(owned).to_vec(),
    }
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
