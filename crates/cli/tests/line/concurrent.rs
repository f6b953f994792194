//! Different queries at once, in one process.
//!
//! `PLIMSOLL_TOGETHER_MIB=1024 PLIMSOLL_TOGETHER_SCALE=10` takes another line and more data, for which `bench/memory` has
//! recorded DuckDB's answers; in a release build.

use std::env;
use std::path::PathBuf;

use plimsoll_bench::{answers, paths};
use plimsoll_cage::{Exit, judge, names_line};
use tokio::time::timeout;

use crate::runs::{MIB, PATIENCE, Runs, tpch_data};
use crate::server::Server;
use crate::tpch::query;

/// Together they hold several times the line.
const QUERIES: [u8; 4] = [3, 9, 18, 21];
const LINES: [u64; 2] = [64 * MIB, 128 * MIB];

/// The lines, the data, and where its answers are.
fn set_up() -> (Vec<u64>, PathBuf, PathBuf) {
    let lines = match env::var("PLIMSOLL_TOGETHER_MIB") {
        Ok(mib) => vec![
            mib.parse::<u64>()
                .expect("PLIMSOLL_TOGETHER_MIB is a whole number")
                * MIB,
        ],
        Err(_) => LINES.to_vec(),
    };
    match env::var("PLIMSOLL_TOGETHER_SCALE") {
        Ok(scale) => {
            let answers = paths::target()
                .join("tpch")
                .join(format!("answers-{scale}"));
            (lines, tpch_data(&scale), answers)
        }
        Err(_) => (
            lines,
            tpch_data("0.1"),
            paths::queries().join("answers-0.1"),
        ),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_queries_at_once_stay_within_the_line_and_leave_the_server_alive() {
    let mut runs = Runs::default();
    let (lines, tables, answers) = set_up();
    for line in lines {
        let Some(server) = Server::start(line, &tables) else {
            return;
        };
        let mut asked = Vec::new();
        for number in QUERIES {
            let mut client = server.client().await;
            let answers = answers.clone();
            asked.push(tokio::spawn(async move {
                let (sql, right) = query(number, &answers);
                let answer = timeout(PATIENCE, client.ask(&sql)).await;
                (number, sql, right, answer)
            }));
        }
        for asked in asked {
            let (number, sql, right, answer) = asked.await.unwrap();
            let found = match answer {
                Err(_) => Some(format!("no answer in {} s", PATIENCE.as_secs())),
                Ok(Ok(ours)) => answers::difference(&ours, &right, &[], &sql),
                Ok(Err(error)) if names_line(&error, line) => None,
                Ok(Err(error)) => Some(format!("an error that does not name the line: {error}")),
            };
            if let Some(found) = found {
                runs.broke(format!(
                    "q{number} beside others at {} MiB: {found}",
                    line / MIB
                ));
            }
        }
        // Whatever became of them, the next one is served.
        let alone = timeout(PATIENCE, async {
            server.client().await.ask("SELECT 1").await
        });
        if alone.await != Ok(Ok(vec![vec!["1".to_owned()]])) {
            runs.broke("after them the server answers no more".into());
        }
        let run = server.end();
        let verdict = judge(&run, |_| Ok(()), &[]);
        let kept = verdict.is_kept() && run.exit == Exit::Code(0);
        runs.add("four at once", &run, &verdict, kept);
    }
    runs.assert_kept();
}
