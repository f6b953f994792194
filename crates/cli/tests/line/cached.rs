//! All of TPC-H's tables cached, where there is memory for a part of them.
//!
//! `PLIMSOLL_CACHED_MIB=1024 PLIMSOLL_CACHED_SCALE=3` takes another line and more data, for which `bench/memory` has
//! recorded DuckDB's answers; in a release build.

use std::env;
use std::time::Duration;

use plimsoll_bench::{answers, paths};
use plimsoll_cage::{Exit, judge};
use tokio::time::timeout;

use crate::runs::{MIB, Runs, tpch_data};
use crate::server::Server;
use crate::tpch::query;

const TABLES: [&str; 8] = [
    "nation", "region", "part", "supplier", "partsupp", "customer", "orders", "lineitem",
];

/// For one query, or for caching one table.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_over_cached_tables_stay_within_the_line() {
    let mut runs = Runs::default();
    let scale = env::var("PLIMSOLL_CACHED_SCALE").unwrap_or_else(|_| "0.1".to_owned());
    let line = env::var("PLIMSOLL_CACHED_MIB").map_or(96, |mib| mib.parse().unwrap()) * MIB;
    let recorded = match scale.as_str() {
        "0.1" => paths::queries().join("answers-0.1"),
        _ => paths::target()
            .join("tpch")
            .join(format!("answers-{scale}")),
    };
    let Some(server) = Server::start(line, &tpch_data(&scale)) else {
        return;
    };
    let mut client = server.client().await;
    for table in TABLES {
        let sql = format!("CACHE TABLE {table} OPTIONS ('storageLevel' 'MEMORY_AND_DISK')");
        let cached = timeout(PATIENCE, client.ask(&sql)).await;
        if cached != Ok(Ok(Vec::new())) {
            runs.broke(format!("{sql}: {cached:?}"));
        }
    }
    for number in 1..=22 {
        let (sql, right) = query(number, &recorded);
        let found = match timeout(PATIENCE, client.ask(&sql)).await {
            Err(_) => Some(format!("no answer in {} s", PATIENCE.as_secs())),
            Ok(Ok(ours)) => answers::difference(&ours, &right, &[], &sql),
            Ok(Err(error)) => Some(error),
        };
        if let Some(found) = found {
            runs.broke(format!("q{number} over cached tables: {found}"));
        }
    }
    let cached = client.ask("SHOW CACHE").await.unwrap_or_default();
    // Of each table, the figures behind its name and level.
    let figure = |at: usize| -> u64 {
        let figures = cached.iter().map(|row| row[at].parse::<u64>().unwrap());
        figures.sum()
    };
    let (memory, disk, hits) = (figure(5), figure(6), figure(7));
    let (evictions, disk_reads, recomputes) = (figure(9), figure(10), figure(11));
    eprintln!(
        "cached: {} MiB in memory, {} MiB on disk, {hits} hits, {evictions} evictions, {disk_reads} disk reads",
        memory / MIB,
        disk / MIB
    );
    if cached.len() != TABLES.len()
        || hits == 0
        || evictions == 0
        || disk_reads == 0
        || recomputes > 0
    {
        runs.broke(format!("not cached as it should be: {cached:?}"));
    }
    let run = server.end();
    let verdict = judge(&run, |_| Ok(()), &[]);
    let kept = verdict.is_kept() && run.exit == Exit::Code(0);
    runs.add("over cached tables", &run, &verdict, kept);
    runs.assert_kept();
}
