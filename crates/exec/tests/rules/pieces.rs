//! Lists that become rows, a few or very many beside wide columns, and values that are computed wide.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::prelude::SessionContext;
use plimsoll_exec::batches::bytes_of;
use plimsoll_exec::{ProjectionsInPieces, UnnestsInPieces};

use crate::session;

fn context(with_rule: bool) -> SessionContext {
    let rules: Vec<session::Rule> = match with_rule {
        true => vec![Arc::new(UnnestsInPieces), Arc::new(ProjectionsInPieces)],
        false => Vec::new(),
    };
    session::context(None, 2, rules)
}

/// Lists that are short, long, empty and NULL, and one for each row that is another.
const ROWS: &str = "SELECT value AS v, repeat('x', CAST(value % 7 * 300 AS INT)) AS t, \
    CASE WHEN value % 5 = 0 THEN NULL WHEN value % 5 = 1 THEN make_array() \
         ELSE range(0, value * value % 1500) END AS a, \
    CASE WHEN value % 3 = 0 THEN NULL ELSE range(value, value + value % 40) END AS b \
    FROM range(60)";

#[tokio::test]
async fn rows_of_lists_are_the_same_in_pieces() {
    for select in [
        "v, unnest(a) AS e",
        "v, length(t) AS l, unnest(a) AS e",
        "v, length(t) AS l, unnest(a) AS e, unnest(b) AS f",
        "v, unnest(b) AS f, unnest(make_array(a, b)) AS c",
    ] {
        // Something that needs the text as it is.
        let query = format!("SELECT * FROM (SELECT {select}, t AS u FROM ({ROWS}))");
        let query = format!("SELECT * EXCEPT (u), md5(u) AS u FROM ({query})");
        let stock = session::outcome::<UnnestExec>(&context(false), &query, "output_rows").await;
        let ours = session::outcome::<UnnestExec>(&context(true), &query, "output_rows").await;
        assert_eq!(ours.answer, stock.answer, "{select}");
    }
}

#[tokio::test]
async fn a_long_list_beside_a_wide_text_comes_in_batches_of_a_few_megabytes() {
    let query = "SELECT t, unnest(range(0, 20000)) AS e FROM (SELECT repeat('x', 10000) || value AS t FROM range(1))";
    let batches = context(true)
        .sql(query)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        20_000
    );
    let largest = batches.iter().map(bytes_of).max().unwrap();
    assert!(largest < 9 << 20, "{largest}");
}

/// The batches of a query, with the rule.
async fn batches(query: &str) -> Result<Vec<RecordBatch>> {
    context(true).sql(query).await?.collect().await
}

#[tokio::test]
async fn wide_values_are_computed_a_few_megabytes_at_a_time() {
    let query = "SELECT value, repeat('0123456789', 400) AS s FROM range(30000)";
    let wide = batches(query).await.unwrap();
    let largest = wide.iter().map(bytes_of).max().unwrap();
    assert!(largest < 9 << 20, "{largest}");
    let rows = wide.iter().flat_map(|batch| {
        let texts = batch.column(1).as_string::<i32>();
        assert!(texts.iter().all(|text| text.unwrap().len() == 4000));
        batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    });
    let mut rows: Vec<i64> = rows.collect();
    rows.sort_unstable();
    assert!(rows.into_iter().eq(0..30_000));
}

#[tokio::test]
async fn short_values_are_computed_for_a_batch_at_once() {
    let query = "SELECT value, 'number ' || value AS s FROM range(30000)";
    let stock = context(false).sql(query).await.unwrap();
    let rows = |batches: Vec<RecordBatch>| -> Vec<usize> {
        batches.iter().map(RecordBatch::num_rows).collect()
    };
    assert_eq!(
        rows(batches(query).await.unwrap()),
        rows(stock.collect().await.unwrap())
    );
}

#[tokio::test]
async fn what_cannot_be_computed_is_told_as_without_pieces() {
    let query =
        "SELECT arrow_cast(CAST(100 / (value - 17) AS VARCHAR), 'Utf8') AS s FROM range(100)";
    let stock = context(false).sql(query).await.unwrap().collect().await;
    let ours = batches(query).await;
    assert_eq!(
        ours.unwrap_err().to_string(),
        stock.unwrap_err().to_string()
    );
}
