//! `sorts`: the external sort of this engine beside DataFusion's, in plans that are the same but for it.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use plimsoll_bench::beside::{self, Comparison};
use plimsoll_exec::ExternalSorts;

/// Compare the external sort with DataFusion's, over TPC-H's line items
///
/// Each query runs with one and with the other in turn, in this process, with the same settings and the same plan but
/// for the sort. Prints medians, the median of the ratios of each two runs, and the geometric mean of these.
#[derive(Parser)]
#[command(name = "sorts")]
struct Options {
    #[command(flatten)]
    beside: beside::Options,
}

/// What is sorted by, and what is carried along.
const SORTS: [(&str, &str); 8] = [
    ("l_partkey", "l_comment"),
    ("l_orderkey, l_linenumber", "l_comment"),
    ("l_extendedprice, l_orderkey", "l_shipdate"),
    ("l_shipdate DESC, l_partkey", "l_quantity"),
    ("l_comment", "l_orderkey"),
    ("l_shipmode, l_comment DESC", "l_orderkey"),
    ("l_returnflag, l_linestatus, l_quantity", "l_extendedprice"),
    (
        "l_discount + l_tax, l_shipinstruct, l_suppkey",
        "l_receiptdate",
    ),
];

fn main() -> ExitCode {
    plimsoll_allocator::install();
    let options = Options::parse();
    let query = |(by, with): (&str, &str)| {
        let sql = format!(
            "SELECT sum(n), max(carried) FROM \
             (SELECT {with} AS carried, row_number() OVER (ORDER BY {by}) AS n FROM lineitem)"
        );
        (by.to_owned(), sql)
    };
    let comparison = Comparison {
        operators: ["SortExec", "ExternalSortExec"],
        rules: |state| {
            let mut rules = state.physical_optimizers().to_vec();
            rules.push(Arc::new(ExternalSorts::new(false)));
            rules
        },
        queries: SORTS.map(query).to_vec(),
    };
    beside::compare(&options.beside, Ok(comparison))
}
