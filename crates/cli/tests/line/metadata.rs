//! What a server remembers of queries that are over.
//!
//! `PLIMSOLL_METADATA_QUERIES=100000` asks that many of each server; in a release build.

use std::time::Duration;

use plimsoll_cage::{Exit, human, judge};
use tokio::time::{sleep, timeout};

use crate::runs::{MIB, PATIENCE, Runs, TPCH};
use crate::server::{Client, Server};

const LINE: u64 = 64 * MIB;

/// Of each server: as many as show what they leave behind, in a debug build that takes tens of milliseconds to plan one, or
/// as the environment says.
fn queries() -> u64 {
    let asked = std::env::var("PLIMSOLL_METADATA_QUERIES");
    asked.map_or(300, |number| number.parse().unwrap())
}

/// The bytes of each query's text.
const TEXT: usize = 16 << 10;

/// What may be resident at the end beyond the level after half of the queries. Whether jemalloc has given back a page that
/// holds one small piece is chance, and comes to a few hundred KiB in a process of this size; the texts of the other half come
/// to more than twice as much as this.
const TOLERATED: u64 = MIB;

/// Asks these queries, no two of them alike; their answers have to be right.
async fn ask(client: &mut Client, numbers: impl Iterator<Item = u64>) -> Result<(), String> {
    let text = "x".repeat(TEXT);
    for number in numbers {
        let sql = format!("SELECT id + {number} AS n, length('{text}') AS l FROM range(2)");
        let row = |n| [n, TEXT as u64].map(|number| number.to_string()).to_vec();
        let right = vec![row(number), row(number + 1)];
        match timeout(PATIENCE, client.ask(&sql)).await {
            Ok(Ok(answer)) if answer == right => {}
            other => return Err(format!("query {number}: {other:?}")),
        }
    }
    Ok(())
}

/// What is resident once nothing runs: the least of two seconds, in which freed pages go back to the system.
async fn level(server: &Server) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..20 {
        sleep(Duration::from_millis(100)).await;
        least = least.min(server.resident());
    }
    least
}

/// A number behind a name in the report of a server.
fn reported(report: &str, name: &str) -> Option<u64> {
    let (_, behind) = report.rsplit_once(&format!("\"{name}\":"))?;
    let end = behind.find(|c: char| !c.is_ascii_digit())?;
    behind[..end].parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_small_queries_leave_nothing_behind_but_the_records_that_are_retained() {
    let mut runs = Runs::default();
    let all = queries();
    // As many records as there is room for in a sixteenth of the driver's part, or as many as are asked for.
    for (name, settings, kept) in [
        ("with the defaults", &[][..], 20..200),
        (
            "with 7 retained",
            &["spark.sql.ui.retainedExecutions=7"][..],
            7..8,
        ),
    ] {
        let Some(server) = Server::start_with(LINE, &TPCH, settings) else {
            return;
        };
        let mut clients = [server.client().await, server.client().await];
        let mut levels = Vec::new();
        for (first, end) in [(0, all / 2), (all / 2, all)] {
            let [one, other] = &mut clients;
            let (even, odd) = ((first..end).step_by(2), (first + 1..end).step_by(2));
            let (one, other) = tokio::join!(ask(one, even), ask(other, odd));
            one.and(other).unwrap_or_else(|wrong| runs.broke(wrong));
            levels.push(level(&server).await);
        }
        let [before, after] = levels[..] else {
            unreachable!("two parts");
        };
        eprintln!("{name}: {} resident, then {}", human(before), human(after));
        if after > before + TOLERATED {
            runs.broke(format!(
                "{name}: from {} to {}",
                human(before),
                human(after)
            ));
        }
        let run = server.end();
        let verdict = judge(&run, |_| Ok(()), &[]);
        let is_kept = verdict.is_kept() && run.exit == Exit::Code(0);
        runs.add(&format!("{all} queries {name}"), &run, &verdict, is_kept);
        let left_out = reported(&run.stderr.text, "queries_left_out");
        if !left_out.is_some_and(|left_out| kept.contains(&(all - left_out))) {
            runs.broke(format!("{name}: {left_out:?} of {all} are left out"));
        }
    }
    runs.assert_kept();
}
