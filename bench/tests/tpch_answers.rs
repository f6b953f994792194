//! The 22 TPC-H queries at scale 0.01 answer as DuckDB does; `bench/verify --record` recorded its answers.

use std::fs;
use std::path::Path;

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use plimsoll_bench::{paths, tpch};
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::Session;

/// How far numbers may be apart, in parts of their size: averages are doubles in one engine and decimals in the other.
const RELATIVE: f64 = 1e-6;

type Answer = Vec<Vec<String>>;

fn text_of(batches: &[RecordBatch]) -> Answer {
    let options = FormatOptions::new();
    let mut rows = Answer::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        rows.extend((0..batch.num_rows()).map(|row| {
            columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect()
        }));
    }
    rows
}

/// A file of comma-separated values; none of the recorded strings holds a quote or a newline.
fn recorded(number: u8) -> Answer {
    let file = paths::queries().join(format!("answers-0.01/q{number}.csv"));
    let text = fs::read_to_string(file).unwrap();
    text.lines().skip(1).map(fields).collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

fn same(ours: &str, theirs: &str) -> bool {
    match (ours.parse::<f64>(), theirs.parse::<f64>()) {
        (Ok(ours), Ok(theirs)) => (ours - theirs).abs() <= RELATIVE * theirs.abs().max(1.0),
        _ => ours == theirs,
    }
}

fn difference(ours: &Answer, theirs: &Answer) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!(
            "{} rows, and {} in DuckDB",
            ours.len(),
            theirs.len()
        ));
    }
    let pairs = ours.iter().zip(theirs);
    pairs
        .filter(|(ours, theirs)| {
            ours.len() != theirs.len() || !ours.iter().zip(*theirs).all(|(a, b)| same(a, b))
        })
        .map(|(ours, theirs)| format!("{ours:?}, and {theirs:?} in DuckDB"))
        .next()
}

async fn session(data: &Path) -> Session {
    let mut conf = Conf::default();
    conf.set("spark.plimsoll.memory", "256m", Origin::Code)
        .unwrap();
    let session = Session::new(conf, Machine::detect().unwrap(), Vec::new()).unwrap();
    session.register_tables(data).await.unwrap();
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn the_22_queries_answer_as_duckdb() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    tpch::ensure(&data, "0.01".parse().unwrap()).unwrap();
    let session = session(&data).await;
    for number in 1..=22 {
        let query = fs::read_to_string(paths::query(number)).unwrap();
        let rows = session.sql(&query).await.unwrap().rows.unwrap();
        let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        if let Some(difference) = difference(&text_of(&batches), &recorded(number)) {
            panic!("q{number}: {difference}");
        }
    }
    assert_eq!(session.history().records().count(), 22);
}
