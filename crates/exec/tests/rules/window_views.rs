//! Window functions over texts get arrays that own them, and answer the same.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryViewArray, Int64Array, RecordBatch, StringViewArray,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use plimsoll_exec::WindowsWithoutViews;

fn table() -> Arc<MemTable> {
    let batch = |start: i64| {
        let rows = start..start + 50;
        let text = |row: i64| {
            (row % 7 > 0).then(|| format!("a text that is no part of its view, {}", row * 37 % 101))
        };
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            (
                "id",
                Arc::new(Int64Array::from_iter_values(rows.clone())),
                true,
            ),
            (
                "s",
                Arc::new(StringViewArray::from_iter(rows.clone().map(text))),
                true,
            ),
            (
                "short",
                Arc::new(StringViewArray::from_iter(
                    rows.clone().map(|row| Some((row % 3).to_string())),
                )),
                true,
            ),
            (
                "b",
                Arc::new(BinaryViewArray::from_iter(rows.map(text))),
                true,
            ),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    };
    let batches: Vec<_> = (0..6).map(|number| batch(number * 50)).collect();
    Arc::new(MemTable::try_new(batches[0].schema(), vec![batches]).unwrap())
}

fn session(with_rule: bool) -> SessionContext {
    let mut builder = SessionStateBuilder::new().with_default_features();
    if with_rule {
        let analyzer = builder.analyzer().get_or_insert_default();
        analyzer.rules.insert(1, Arc::new(WindowsWithoutViews));
    }
    let session = SessionContext::new_with_state(builder.build());
    session.register_table("t", table()).unwrap();
    session
}

const QUERIES: [&str; 10] = [
    "SELECT id, lag(s) OVER (ORDER BY s, id) AS before, s FROM t ORDER BY id",
    "SELECT id, lag(s, 2, 'none') OVER (PARTITION BY short ORDER BY id) FROM t ORDER BY id",
    "SELECT id, first_value(s) OVER w, last_value(b) OVER w, nth_value(s, 3) OVER w FROM t \
     WINDOW w AS (PARTITION BY short ORDER BY id ROWS BETWEEN 5 PRECEDING AND 2 FOLLOWING) ORDER BY id",
    "SELECT id, max(s) OVER (ORDER BY id), count(DISTINCT s) OVER (PARTITION BY short) FROM t ORDER BY id",
    "SELECT id, string_agg(s, ', ') OVER (ORDER BY id) FROM t ORDER BY id",
    "SELECT id, lag(CASE WHEN s = 'x' THEN short ELSE s || '!' END) OVER (ORDER BY short, id) FROM t ORDER BY id",
    "SELECT id, array_agg(s) OVER (PARTITION BY id % 60 ORDER BY id) FROM t ORDER BY id",
    "SELECT * FROM (SELECT u.*, row_number() OVER (PARTITION BY u.s ORDER BY u.id DESC) AS n FROM t AS u) \
     WHERE n <= 2 AND s LIKE '%4' ORDER BY id",
    "SELECT id FROM t WHERE s IN (SELECT lead(v.s) OVER (ORDER BY v.id) FROM t AS v WHERE v.id > 280) ORDER BY id",
    "SELECT s, grouping(s) AS g, rank() OVER (PARTITION BY grouping(s) ORDER BY sum(id), s) AS r FROM t \
     GROUP BY ROLLUP(s) ORDER BY g, s, r",
];

fn views_in_windows(plan: &Arc<dyn ExecutionPlan>) -> (usize, usize) {
    let (mut windows, mut views) = (0, 0);
    plan.apply(|node| {
        if node.is::<BoundedWindowAggExec>() || node.is::<WindowAggExec>() {
            windows += 1;
            let schema = node.schema();
            let mut types = schema.fields().iter().map(|field| field.data_type());
            views +=
                usize::from(types.any(|data_type| {
                    matches!(data_type, DataType::Utf8View | DataType::BinaryView)
                }));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    (windows, views)
}

#[tokio::test]
async fn windows_own_their_texts_and_answer_the_same() {
    let (with, without) = (session(true), session(false));
    for query in QUERIES {
        let expected = without.sql(query).await.unwrap();
        let plan = expected.clone().create_physical_plan().await.unwrap();
        let (windows, views) = views_in_windows(&plan);
        assert!(windows > 0 && views > 0, "{query} shows nothing");

        let plan = with
            .sql(query)
            .await
            .unwrap()
            .create_physical_plan()
            .await
            .unwrap();
        assert_eq!(views_in_windows(&plan), (windows, 0), "{query}");
        let schema = plan.schema();
        let rows = collect(plan, with.task_ctx()).await.unwrap();
        let expected_schema = expected.schema().as_arrow().clone();
        let names = |schema: &datafusion::arrow::datatypes::Schema| -> Vec<(String, DataType)> {
            let fields = schema.fields().iter();
            fields
                .map(|field| (field.name().clone(), field.data_type().clone()))
                .collect()
        };
        assert_eq!(names(&schema), names(&expected_schema), "{query}");
        let told = |batches: &[RecordBatch]| pretty_format_batches(batches).unwrap().to_string();
        assert_eq!(
            told(&rows),
            told(&expected.collect().await.unwrap()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_correlated_subquery_with_a_window_is_planned_as_without_the_rule() {
    let query = "SELECT t.id FROM t WHERE t.id IN \
        (SELECT max(u.id) OVER (PARTITION BY u.s) FROM t AS u WHERE u.s = t.s) ORDER BY t.id";
    let mut answers = Vec::new();
    for with_rule in [true, false] {
        let rows = session(with_rule).sql(query).await.unwrap();
        let rows = rows.collect().await.unwrap();
        answers.push(pretty_format_batches(&rows).unwrap().to_string());
    }
    assert_eq!(answers[0], answers[1]);
}
