//! The 22 TPC-H queries at scale 0.01 answer as DuckDB does; `bench/verify --record` recorded its answers.

use std::fs;
use std::path::Path;

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use plimsoll_bench::answers::{self, Answer};
use plimsoll_bench::{paths, tpch};
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::Session;

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
        let file = paths::queries().join(format!("answers-0.01/q{number}.csv"));
        let recorded = fs::read_to_string(file).unwrap();
        let (names, theirs) = (answers::names(&recorded), answers::parse(&recorded));
        let ours = text_of(&batches);
        if let Some(difference) = answers::difference(&ours, &theirs, &names, &query) {
            panic!("q{number}: {difference}");
        }
    }
    assert_eq!(session.history().records().count(), 22);
}
