use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Field, Int64Type, Schema};
use datafusion::arrow::record_batch::RecordBatchOptions;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DFSchema};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::datasource::{MemTable, ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan, lit};
use datafusion::prelude::{SessionConfig, SessionContext};
use plimsoll_conf::{Conf, Machine};

use super::replace::with_schema_of;
use super::*;
use crate::format::FileFormat;
use crate::range::Range;
use crate::source::{Source, open_source};
use crate::{Planned, Session};

/// Tables `t(k, v, s)`, `u(k, w, s)` and `l(k, xs)`, where `xs` is a list.
fn context() -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    context.register_udtf("range", Arc::new(Range));
    let numbers = |values: &[i64]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let texts = |values: &[&str]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), Some(2)]),
        None,
        Some(vec![Some(3)]),
    ]);
    let tables = [
        (
            "t",
            vec![
                ("k", numbers(&[1, 2, 3, 3])),
                ("v", numbers(&[10, 20, 30, 40])),
                ("s", texts(&["a", "b", "c", "d"])),
            ],
        ),
        (
            "u",
            vec![
                ("k", numbers(&[1, 3, 4])),
                ("w", numbers(&[5, 6, 7])),
                ("s", texts(&["x", "b", "z"])),
            ],
        ),
        (
            "l",
            vec![
                ("k", numbers(&[1, 2, 3])),
                ("xs", Arc::new(lists) as ArrayRef),
            ],
        ),
    ];
    for (name, columns) in tables {
        context
            .register_table(name, memory(vec![batch(columns)]))
            .unwrap();
    }
    context
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn memory(batches: Vec<RecordBatch>) -> Arc<MemTable> {
    Arc::new(MemTable::try_new(batches[0].schema(), vec![batches]).unwrap())
}

fn analysed(context: &SessionContext, plan: LogicalPlan) -> LogicalPlan {
    let state = context.state();
    let options = state.config_options();
    let analyzer = state.analyzer();
    analyzer
        .execute_and_check(plan, options, |_, _| {})
        .unwrap()
}

async fn plan(context: &SessionContext, sql: &str) -> LogicalPlan {
    let plan = context.state().create_logical_plan(sql).await;
    analysed(
        context,
        plan.unwrap_or_else(|error| panic!("{sql}: {error}")),
    )
}

async fn form(context: &SessionContext, sql: &str) -> Arc<Canonical> {
    canonical(&plan(context, sql).await).unwrap_or_else(|| panic!("no form of {sql}"))
}

async fn assert_same(context: &SessionContext, one: &str, other: &str) {
    let (first, second) = (form(context, one).await, form(context, other).await);
    assert_eq!(first, second, "{one} and {other}");
    assert_eq!(hash_of(&first), hash_of(&second));
}

async fn assert_differ(context: &SessionContext, one: &str, other: &str) {
    let (first, second) = (form(context, one).await, form(context, other).await);
    assert_ne!(first, second, "{one} and {other}");
}

fn scan(name: &str, table: Arc<dyn datafusion::catalog::TableProvider>) -> LogicalPlan {
    LogicalPlanBuilder::scan(name, provider_as_source(table), None)
        .and_then(LogicalPlanBuilder::build)
        .unwrap()
}

/// A plan of the rows that a plan gives, with numbers for names.
async fn kept(context: &SessionContext, plan: LogicalPlan) -> LogicalPlan {
    let fields = plan.schema().fields().iter().enumerate();
    let fields: Vec<Field> = fields
        .map(|(at, field)| {
            let nullable = field.as_ref().clone().with_nullable(true);
            nullable.with_name(at.to_string())
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let rows = context.execute_logical_plan(plan).await.unwrap();
    let rows = rows.collect().await.unwrap().into_iter().map(|batch| {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options).unwrap()
    });
    let table = MemTable::try_new(Arc::clone(&schema), vec![rows.collect()]).unwrap();
    scan("kept", Arc::new(table))
}

/// The plan of a query with the rows of others in the place of them, and how often that was.
async fn with_kept(context: &SessionContext, sql: &str, cached: &[&str]) -> (LogicalPlan, usize) {
    let mut known = Vec::new();
    for cached in cached {
        let cached = plan(context, cached).await;
        let form = canonical(&cached).unwrap();
        known.push((form, kept(context, cached).await));
    }
    let mut replaced = 0;
    let plan = replace_known(plan(context, sql).await, &mut |form, _| {
        let (_, rows) = known.iter().find(|(known, _)| known.as_ref() == form)?;
        replaced += 1;
        Some(rows.clone())
    });
    (plan.unwrap(), replaced)
}

/// The names of the columns, and the rows in some order of their own.
async fn answer(context: &SessionContext, plan: LogicalPlan) -> (Vec<Column>, Vec<String>) {
    let names = plan.schema().columns();
    let rows = context.execute_logical_plan(plan).await.unwrap();
    let rows = pretty_format_batches(&rows.collect().await.unwrap()).unwrap();
    let mut rows: Vec<String> = rows.to_string().lines().map(str::to_owned).collect();
    rows.sort();
    (names, rows)
}

fn tables(plan: &LogicalPlan) -> Vec<String> {
    let mut names = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(TableScan { table_name, .. }) = node {
            names.push(table_name.to_string());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    names
}

/// Each computes something else. `@a` and `@b` are aliases of tables, `@c` and `@d` of columns.
const QUERIES: &[&str] = &[
    "SELECT @a.k AS @c FROM t AS @a",
    "SELECT @a.v AS @c FROM t AS @a",
    "SELECT @a.k AS @c FROM u AS @a",
    "SELECT @a.k AS @c, @a.v AS @d FROM t AS @a",
    "SELECT @a.v AS @c, @a.k AS @d FROM t AS @a",
    "SELECT * FROM t AS @a",
    "SELECT * FROM t AS @a WHERE @a.v > 10",
    "SELECT * FROM t AS @a WHERE @a.v > 20",
    "SELECT * FROM t AS @a WHERE @a.v > 20 AND @a.k = 1",
    "SELECT * FROM t AS @a WHERE @a.v > 20 OR @a.k = 1",
    "SELECT * FROM t AS @a LIMIT 2",
    "SELECT * FROM t AS @a LIMIT 2 OFFSET 1",
    "SELECT * FROM t AS @a ORDER BY @a.v",
    "SELECT * FROM t AS @a ORDER BY @a.v DESC",
    "SELECT * FROM t AS @a ORDER BY @a.v NULLS FIRST",
    "SELECT DISTINCT @a.k AS @c FROM t AS @a",
    "SELECT DISTINCT ON (@a.k) @a.k AS @c, @a.v AS @d FROM t AS @a ORDER BY @a.k, @a.v",
    "SELECT @a.k AS @c, sum(@a.v) AS @d FROM t AS @a GROUP BY @a.k",
    "SELECT @a.k AS @c, max(@a.v) AS @d FROM t AS @a GROUP BY @a.k",
    "SELECT @a.k AS @c, sum(DISTINCT @a.v) AS @d FROM t AS @a GROUP BY @a.k",
    "SELECT @a.k AS @c, sum(@a.v) FILTER (WHERE @a.v > 10) AS @d FROM t AS @a GROUP BY @a.k",
    "SELECT @a.k AS @c, sum(@a.v) AS @d FROM t AS @a GROUP BY ROLLUP (@a.k)",
    "SELECT @a.k AS @c, grouping(@a.k) AS @d FROM t AS @a GROUP BY CUBE (@a.k, @a.s)",
    "SELECT @a.k AS @c, sum(@a.v) AS @d FROM t AS @a GROUP BY @a.k HAVING count(*) > 1",
    "SELECT @a.k AS @c, row_number() OVER (PARTITION BY @a.k ORDER BY @a.v) AS @d FROM t AS @a",
    "SELECT @a.k AS @c, row_number() OVER (PARTITION BY @a.k ORDER BY @a.s) AS @d FROM t AS @a",
    "SELECT @a.k AS @c, sum(@a.v) OVER (ORDER BY @a.v ROWS 1 PRECEDING) AS @d FROM t AS @a",
    "SELECT @a.k AS @c, sum(@a.v) OVER (ORDER BY @a.v ROWS 2 PRECEDING) AS @d FROM t AS @a",
    "SELECT * FROM t AS @a JOIN u AS @b ON @a.k = @b.k",
    "SELECT * FROM t AS @a JOIN u AS @b ON @a.k = @b.w",
    "SELECT * FROM t AS @a LEFT JOIN u AS @b ON @a.k = @b.k",
    "SELECT * FROM t AS @a JOIN u AS @b ON @a.k = @b.k AND @a.v > @b.w",
    "SELECT * FROM u AS @a JOIN t AS @b ON @a.k = @b.k",
    "SELECT * FROM t AS @a JOIN t AS @b ON @a.k = @b.k",
    "SELECT * FROM t AS @a CROSS JOIN u AS @b",
    "SELECT * FROM t AS @a JOIN u AS @b USING (k)",
    "SELECT @a.k AS @c FROM t AS @a UNION ALL SELECT @b.k AS @d FROM u AS @b",
    "SELECT @a.k AS @c FROM u AS @a UNION ALL SELECT @b.k AS @d FROM t AS @b",
    "SELECT @a.k AS @c FROM t AS @a UNION SELECT @b.k AS @d FROM u AS @b",
    "SELECT @a.k AS @c FROM t AS @a INTERSECT SELECT @b.k AS @d FROM u AS @b",
    "SELECT @a.k AS @c FROM t AS @a EXCEPT SELECT @b.k AS @d FROM u AS @b",
    "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS @a (@c, @d)",
    "SELECT * FROM (VALUES (1, 'a'), (2, 'c')) AS @a (@c, @d)",
    "SELECT 1 AS @c",
    "SELECT 1 AS @c WHERE false",
    "SELECT CAST(@a.k AS INT) AS @c FROM t AS @a",
    "SELECT TRY_CAST(@a.k AS INT) AS @c FROM t AS @a",
    "SELECT upper(@a.s) AS @c FROM t AS @a",
    "SELECT random() AS @c FROM t AS @a",
    "SELECT CASE WHEN @a.k = 1 THEN @a.v END AS @c FROM t AS @a",
    "SELECT @a.k AS @c FROM t AS @a WHERE @a.s LIKE 'a%'",
    "SELECT @a.k AS @c FROM t AS @a WHERE @a.s ILIKE 'a%'",
    "SELECT @a.k AS @c FROM t AS @a WHERE @a.k IN (1, 2)",
    "SELECT @a.k AS @c FROM t AS @a WHERE @a.k IN (SELECT @b.k FROM u AS @b)",
    "SELECT @a.k AS @c FROM t AS @a WHERE @a.k NOT IN (SELECT @b.k FROM u AS @b)",
    "SELECT @a.k AS @c FROM t AS @a WHERE @a.k IN (SELECT @b.w FROM u AS @b)",
    "SELECT @a.k AS @c FROM t AS @a WHERE EXISTS (SELECT 1 FROM u AS @b WHERE @b.k = @a.k)",
    "SELECT @a.k AS @c FROM t AS @a WHERE EXISTS (SELECT 1 FROM u AS @b WHERE @b.k = @a.v)",
    "SELECT @a.k AS @c FROM t AS @a WHERE NOT EXISTS (SELECT 1 FROM u AS @b WHERE @b.k = @a.k)",
    "SELECT @a.k AS @c, (SELECT max(@b.w) FROM u AS @b WHERE @b.k = @a.k) AS @d FROM t AS @a",
    "SELECT @a.k AS @c, (SELECT max(@b.w) FROM u AS @b) AS @d FROM t AS @a",
    "SELECT @a.k AS @c, unnest(@a.xs) AS @d FROM l AS @a",
    "SELECT @a.id AS @c FROM range(3) AS @a",
    "SELECT @a.id AS @c FROM range(4) AS @a",
    "SELECT @a.id AS @c FROM range(0, 4, 2) AS @a",
];

fn named(query: &str, names: [&str; 4]) -> String {
    let names = ["@a", "@b", "@c", "@d"].into_iter().zip(names);
    names.fold(query.to_owned(), |query, (from, to)| {
        query.replace(from, to)
    })
}

#[tokio::test]
async fn a_query_equals_itself_under_other_names_and_no_other_query() {
    let context = context();
    let mut forms: Vec<(Arc<Canonical>, String)> = Vec::new();
    for query in QUERIES {
        let one = named(query, ["x", "y", "c", "d"]);
        let form = form(&context, &one).await;
        assert_same(&context, &one, &one).await;
        assert_same(&context, &one, &named(query, ["p", "q", "m", "n"])).await;
        for (other, text) in &forms {
            assert_ne!(&form, other, "{one} and {text}");
            assert_ne!(form.hash, other.hash, "{one} and {text}");
        }
        forms.push((form, one));
    }
}

#[tokio::test]
async fn queries_that_differ_in_no_more_than_spelling_are_equal() {
    let context = context();
    for (one, other) in [
        ("SELECT * FROM t", "SELECT k, v, s FROM t"),
        (
            "SELECT * FROM t",
            "SELECT a.k AS x, a.v AS y, a.s AS z FROM t AS a",
        ),
        (
            "SELECT * FROM t",
            "SELECT * FROM (SELECT * FROM (SELECT * FROM t) AS a) AS b",
        ),
        (
            "SELECT k FROM t WHERE v > 10 AND s = 'a' AND k < 3",
            "SELECT k FROM t WHERE (k < 3 AND v > 10) AND s = 'a'",
        ),
        (
            "SELECT x + 1 FROM (SELECT k AS x FROM t) WHERE x > 1",
            "SELECT y + 1 AS z FROM (SELECT k AS y FROM t) WHERE y > 1",
        ),
        (
            "WITH a AS (SELECT k, count(*) AS n FROM t GROUP BY k) SELECT * FROM a WHERE n > 1",
            "SELECT b.k, m FROM (SELECT k, count(*) AS m FROM t GROUP BY k) AS b WHERE b.m > 1",
        ),
        (
            "SELECT k FROM t WHERE v > 1 AND k IN (SELECT k FROM u) AND v IN (SELECT w FROM u)",
            "SELECT k FROM t WHERE v IN (SELECT w FROM u) AND v > 1 AND k IN (SELECT k FROM u)",
        ),
    ] {
        assert_same(&context, one, other).await;
    }
}

#[tokio::test]
async fn a_join_of_other_inputs_or_sides_is_another_one() {
    let context = context();
    let join = "SELECT a.k FROM t AS a JOIN t AS b ON a.k = b.v";
    assert_differ(
        &context,
        join,
        "SELECT a.k FROM t AS a JOIN t AS b ON a.v = b.k",
    )
    .await;
    assert_differ(
        &context,
        join,
        "SELECT b.k FROM t AS a JOIN t AS b ON a.k = b.v",
    )
    .await;
    assert_differ(
        &context,
        join,
        "SELECT a.k FROM t AS a JOIN u AS b ON a.k = b.w",
    )
    .await;
    let semi = "SELECT a.k FROM t AS a LEFT SEMI JOIN u AS b ON a.k = b.k";
    let anti = "SELECT a.k FROM t AS a LEFT ANTI JOIN u AS b ON a.k = b.k";
    assert_differ(&context, semi, anti).await;
}

#[tokio::test]
async fn a_view_equals_its_query() {
    let context = context();
    let query = "SELECT k + 1 AS a, v FROM t WHERE v > 10";
    let view = context.state().create_logical_plan(query).await.unwrap();
    context
        .register_table("view", Arc::new(ViewTable::new(view, None)))
        .unwrap();
    assert_same(&context, query, "SELECT * FROM view").await;
    assert_same(&context, query, "SELECT b.a AS x, b.v AS y FROM view AS b").await;
    assert_differ(&context, query, "SELECT v, a FROM view").await;
    // One that has not been put into the plan.
    let scan = |projection| {
        let query = Arc::new(ViewTable::new(query_plan(), None));
        let source = provider_as_source(query);
        let scan = TableScan {
            table_name: "view".into(),
            projected_schema: Arc::new(schema_of(&source.schema(), &projection)),
            source,
            projection,
            filters: vec![],
            fetch: None,
            statistics_requests: Default::default(),
        };
        canonical(&LogicalPlan::TableScan(scan))
    };
    fn query_plan() -> LogicalPlan {
        let values = LogicalPlanBuilder::values(vec![vec![lit(1), lit("a")]]).unwrap();
        values.build().unwrap()
    }
    fn schema_of(schema: &Schema, projection: &Option<Vec<usize>>) -> DFSchema {
        let schema = match projection {
            Some(columns) => schema.project(columns).unwrap(),
            None => schema.clone(),
        };
        DFSchema::try_from(schema).unwrap()
    }
    assert_eq!(scan(None), canonical(&query_plan()));
    assert!(scan(Some(vec![1])).is_some());
    assert_ne!(scan(Some(vec![1])), scan(Some(vec![0])));
}

#[tokio::test]
async fn files_are_the_same_table_if_they_are_read_the_same_way() {
    let context = context();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    for (name, column) in [("a.csv", "a"), ("b.csv", "a")] {
        std::fs::write(path(name), format!("{column},b\n1,2\n")).unwrap();
    }
    let rows = context.table("t").await.unwrap();
    rows.write_parquet(&path("t.parquet"), DataFrameWriteOptions::new(), None)
        .await
        .unwrap();
    let state = context.state();
    let opened = async |format, path: &str, options: &[(&str, &str)], given| {
        let options = options.iter();
        let source = Source {
            format,
            paths: vec![path.to_owned()],
            schema: given,
            options: options
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect::<BTreeMap<_, _>>(),
        };
        let table = open_source(&state, &source).await.unwrap();
        canonical(&scan("files", table)).unwrap()
    };
    let parquet = opened(FileFormat::Parquet, &path("t.parquet"), &[], None).await;
    let again = opened(FileFormat::Parquet, &path("t.parquet"), &[], None).await;
    assert_eq!(parquet, again);
    let url = format!("file://{}", path("t.parquet"));
    assert_eq!(parquet, opened(FileFormat::Parquet, &url, &[], None).await);
    let given = Schema::new(vec![Field::new("k", DataType::Int64, true)]);
    let given = opened(FileFormat::Parquet, &path("t.parquet"), &[], Some(given)).await;
    assert_ne!(parquet, given);

    let header = [("header", "true")];
    let csv = opened(FileFormat::Csv, &path("a.csv"), &header, None).await;
    let in_capitals = [("HEADER", "true")];
    let again = opened(FileFormat::Csv, &path("a.csv"), &in_capitals, None).await;
    assert_eq!(csv, again);
    for other in [
        opened(FileFormat::Csv, &path("a.csv"), &[], None).await,
        opened(FileFormat::Csv, &path("b.csv"), &header, None).await,
        opened(FileFormat::Text, &path("a.csv"), &[], None).await,
        opened(
            FileFormat::Csv,
            &path("a.csv"),
            &[("header", "true"), ("sep", ";")],
            None,
        )
        .await,
    ] {
        assert_ne!(csv, other);
    }
}

#[test]
fn rows_in_memory_are_compared_by_their_values() {
    let numbers = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let form = |name: &str, columns: Vec<ArrayRef>| {
        let columns = columns
            .into_iter()
            .map(|column| batch(vec![(name, column)]));
        canonical(&scan(name, memory(columns.collect()))).unwrap()
    };
    let many = || (0..100).map(Some).collect::<Vec<_>>();
    assert_eq!(
        form("a", vec![numbers(many())]),
        form("b", vec![numbers(many())])
    );
    // Where a NULL is no matter what lies under it, and where the array begins makes no difference.
    let sliced = numbers(vec![Some(9), Some(1), None]).slice(1, 2);
    let whole = numbers(vec![Some(1), None]);
    assert_eq!(form("a", vec![sliced]), form("a", vec![whole.clone()]));
    let mut last = many();
    last[99] = Some(0);
    for other in [
        form("a", vec![numbers(last)]),
        form("a", vec![numbers(many()), numbers(many())]),
        form("a", vec![Arc::new(StringArray::from(vec!["1"]))]),
        form("a", vec![whole]),
    ] {
        assert_ne!(form("a", vec![numbers(many())]), other);
    }
}

#[tokio::test]
async fn rows_that_are_being_written_are_not_compared() {
    let table = memory(vec![batch(vec![(
        "a",
        Arc::new(Int64Array::from(vec![1])),
    )])]);
    let batches = Arc::clone(&table.batches[0]);
    let writing = batches.write().await;
    assert!(canonical(&scan("t", table.clone())).is_none());
    drop(writing);
    assert!(canonical(&scan("t", table)).is_some());
}

#[tokio::test]
async fn other_tables_are_compared_by_what_they_are() {
    let context = context();
    let table = || {
        let table = datafusion::catalog::stream::StreamTable::new(Arc::new(
            datafusion::catalog::stream::StreamConfig::new(Arc::new(
                datafusion::catalog::stream::FileStreamProvider::new_file(
                    Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)])),
                    "/nowhere".into(),
                ),
            )),
        ));
        Arc::new(table)
    };
    let one = table();
    assert_eq!(
        canonical(&scan("a", one.clone())),
        canonical(&scan("b", one.clone()))
    );
    assert_ne!(canonical(&scan("a", one)), canonical(&scan("a", table())));
    assert_differ(
        &context,
        "SELECT * FROM range(1, 3)",
        "SELECT * FROM range(1, 4)",
    )
    .await;
    assert_same(
        &context,
        "SELECT * FROM range(3)",
        "SELECT * FROM range(0, 3, 1)",
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_compared_has_no_form_but_its_inputs_do() {
    let context = context();
    let recursive =
        "WITH RECURSIVE a AS (SELECT k FROM t UNION ALL SELECT k + 1 FROM a WHERE k < 9)
        SELECT * FROM a";
    assert!(canonical(&plan(&context, recursive).await).is_none());
    assert!(canonical(&plan(&context, "EXPLAIN SELECT * FROM t").await).is_none());
    let statement = "SELECT * FROM t WHERE k = $1";
    let prepared = context
        .state()
        .create_logical_plan(statement)
        .await
        .unwrap();
    assert!(canonical(&prepared).is_none());
    let (replaced, times) = with_kept(&context, recursive, &["SELECT k FROM t"]).await;
    assert_eq!(times, 1);
    let expected = answer(&context, plan(&context, recursive).await).await;
    assert_eq!(answer(&context, replaced).await, expected);
}

#[tokio::test]
async fn columns_of_several_queries_around_are_told_apart() {
    let context = context();
    let query = |column: &str| {
        format!(
            "SELECT k FROM t AS a WHERE EXISTS (SELECT 1 FROM t AS b WHERE b.v = a.v AND b.k IN
                (SELECT c.k FROM u AS c WHERE c.w < {column}))"
        )
    };
    assert_same(&context, &query("b.v"), &query("b.v")).await;
    assert_differ(&context, &query("b.v"), &query("b.k")).await;
    // DataFusion plans what is two queries out; that it cannot run it does not matter here.
    assert_differ(&context, &query("b.v"), &query("a.v")).await;
}

#[tokio::test]
async fn a_lateral_subquery_sees_what_it_is_joined_with() {
    let context = context();
    let lateral = |column: &str, a: &str| {
        format!(
            "SELECT {a}.k, b.w FROM t AS {a}, LATERAL (SELECT w FROM u WHERE u.k = {a}.{column}) AS b"
        )
    };
    assert_same(&context, &lateral("k", "a"), &lateral("k", "x")).await;
    assert_differ(&context, &lateral("k", "a"), &lateral("v", "a")).await;
    let cached = [
        "SELECT w FROM u WHERE u.k = 1",
        "SELECT * FROM u",
        "SELECT * FROM t",
    ];
    let (replaced, times) = with_kept(&context, &lateral("k", "a"), &cached).await;
    assert_eq!(times, 2);
    let expected = answer(&context, plan(&context, &lateral("k", "a")).await).await;
    assert_eq!(answer(&context, replaced).await, expected);
}

#[tokio::test]
async fn what_was_put_in_gives_the_same_rows_under_the_same_names() {
    let context = context();
    for (query, cached, times) in [
        ("SELECT * FROM t", "SELECT k AS a, v AS b, s AS c FROM t", 1),
        ("SELECT * FROM t AS x WHERE x.k > 1", "SELECT * FROM t", 1),
        // The largest, and not what is in it.
        (
            "SELECT k FROM t WHERE k > 1",
            "SELECT k AS a FROM t AS b WHERE b.k > 1",
            1,
        ),
        // Both sides.
        (
            "SELECT a.v, b.s FROM t AS a JOIN t AS b ON a.k = b.k",
            "SELECT * FROM t",
            2,
        ),
        // Columns of the same name on both sides.
        (
            "SELECT * FROM t JOIN u ON t.k = u.k",
            "SELECT * FROM t AS a JOIN u AS b ON a.k = b.k",
            1,
        ),
        (
            "SELECT t.k, u.k AS uk FROM t JOIN u ON t.k = u.k WHERE t.s < u.s",
            "SELECT * FROM t AS a JOIN u AS b ON a.k = b.k",
            1,
        ),
        (
            "SELECT t.s, u.s AS us, count(*) FROM t JOIN u ON t.k = u.k GROUP BY t.s, u.s",
            "SELECT * FROM u",
            1,
        ),
        (
            "SELECT k, n + 1 FROM (SELECT k, count(*) AS n FROM t GROUP BY k) WHERE n > 1",
            "SELECT k, count(*) FROM t GROUP BY k",
            1,
        ),
        (
            "SELECT n, count(*), max(k) FROM (SELECT k, count(*) AS n FROM t GROUP BY k) GROUP BY n",
            "SELECT k, count(*) FROM t GROUP BY k",
            1,
        ),
        (
            "SELECT k FROM t UNION ALL SELECT k FROM u UNION ALL SELECT k FROM t",
            "SELECT k FROM t",
            2,
        ),
        (
            "SELECT v FROM t ORDER BY k, v DESC LIMIT 2",
            "SELECT * FROM t",
            1,
        ),
        ("SELECT k, unnest(xs) FROM l", "SELECT * FROM l", 1),
        ("SELECT DISTINCT k FROM t", "SELECT k FROM t", 1),
        (
            "SELECT k, row_number() OVER (PARTITION BY k ORDER BY v) FROM t",
            "SELECT * FROM t",
            1,
        ),
        (
            "SELECT k FROM t WHERE k IN (SELECT k FROM u)",
            "SELECT k FROM u",
            1,
        ),
        (
            "SELECT k, (SELECT max(w) FROM u) FROM t",
            "SELECT max(w) FROM u",
            1,
        ),
        // What is in a correlated subquery and mentions nothing of what is around it.
        (
            "SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
            "SELECT * FROM u",
            1,
        ),
        (
            "SELECT k, (SELECT max(w) FROM u WHERE u.k = t.k) FROM t",
            "SELECT * FROM t",
            1,
        ),
        ("SELECT count(*) FROM t", "SELECT count(*) FROM t", 1),
        (
            "SELECT k, grouping(k), sum(v) FROM t GROUP BY ROLLUP (k)",
            "SELECT * FROM t",
            1,
        ),
        (
            "SELECT * FROM t LEFT JOIN u USING (k)",
            "SELECT * FROM u",
            1,
        ),
        (
            "SELECT x.k, y.k AS yk FROM (SELECT * FROM t) AS x FULL JOIN u AS y ON x.k = y.k AND x.v > y.w",
            "SELECT * FROM t",
            1,
        ),
        (
            "SELECT k FROM t INTERSECT SELECT k FROM u",
            "SELECT k FROM u",
            1,
        ),
        (
            "SELECT k FROM t EXCEPT SELECT k FROM u",
            "SELECT k FROM u",
            1,
        ),
        (
            "SELECT DISTINCT ON (k) k, v FROM t ORDER BY k, v",
            "SELECT * FROM t",
            1,
        ),
        (
            "SELECT k + 1 FROM t WHERE v > 15",
            "SELECT * FROM t WHERE v > 15",
            1,
        ),
    ] {
        let (replaced, found) = with_kept(&context, query, &[cached]).await;
        assert_eq!(found, times, "{cached} in {query}: {replaced}");
        let original = plan(&context, query).await;
        assert_eq!(replaced.schema().columns(), original.schema().columns());
        let expected = answer(&context, original).await;
        assert_eq!(answer(&context, replaced).await, expected, "{query}");
    }
}

#[tokio::test]
async fn what_depends_on_the_query_around_is_not_asked_for() {
    let context = context();
    let query = plan(
        &context,
        "SELECT k FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.w > 1)",
    )
    .await;
    let mut asked = Vec::new();
    replace_known(query, &mut |_, plan| {
        asked.push(plan.display().to_string());
        None
    })
    .unwrap();
    assert_eq!(
        asked,
        [
            "Projection: t.k",
            "Filter: EXISTS (<subquery>)",
            "TableScan: u",
            "TableScan: t"
        ]
    );
}

#[tokio::test]
async fn an_explained_query_is_replaced_in() {
    let context = context();
    let query = "EXPLAIN SELECT count(*) FROM t WHERE v > 15";
    let (replaced, times) = with_kept(&context, query, &["SELECT * FROM t WHERE v > 15"]).await;
    assert_eq!(times, 1);
    assert_eq!(tables(&replaced), ["kept"]);
    let (_, rows) = answer(&context, replaced).await;
    assert!(rows.concat().contains("kept"));
}

#[tokio::test]
async fn an_answer_of_another_width_is_refused() {
    let context = context();
    let narrow = plan(&context, "SELECT k FROM t").await;
    let wide = plan(&context, "SELECT * FROM t").await;
    assert!(with_schema_of(narrow.clone(), wide.schema()).is_err());
    assert!(with_schema_of(wide, narrow.schema()).is_err());
}

#[tokio::test]
async fn columns_take_the_names_of_others() {
    let context = context();
    let join = plan(&context, "SELECT * FROM t JOIN u ON t.k = u.k").await;
    let rows = kept(&context, join.clone()).await;
    let renamed = with_schema_of(rows, join.schema()).unwrap();
    assert_eq!(renamed.schema().columns(), join.schema().columns());
    // Nothing is put on top of what has the names already.
    let same = with_schema_of(renamed.clone(), join.schema()).unwrap();
    assert_eq!(same, renamed);
    let empty = LogicalPlanBuilder::empty(true).build().unwrap();
    assert_eq!(
        with_schema_of(empty.clone(), &DFSchema::empty()).unwrap(),
        empty
    );
}

#[tokio::test]
async fn plans_may_be_deep() {
    let context = context();
    let mut deep = plan(&context, "SELECT * FROM t").await;
    for level in 0..1000 {
        let column = Expr::Column(Column::new(Some("t"), "v"));
        deep = LogicalPlanBuilder::from(deep)
            .filter(column.gt(lit(level - 1000_i64)))
            .and_then(LogicalPlanBuilder::build)
            .unwrap();
    }
    assert_eq!(canonical(&deep), canonical(&deep.clone()));
    let cached = plan(&context, "SELECT * FROM t").await;
    let form = canonical(&cached).unwrap();
    let mut times = 0;
    let replaced = replace_known(deep, &mut |found, _| {
        (*found == *form).then(|| {
            times += 1;
            cached.clone()
        })
    });
    assert_eq!(times, 1);
    assert_eq!(tables(&replaced.unwrap()), ["t"]);
}

#[tokio::test]
async fn a_sessions_own_planner_and_analyzer_give_equal_forms_too() {
    let machine = Machine::with_memory(8 << 30);
    let session = Session::new(Conf::default(), machine, vec![]).unwrap();
    session
        .sql("CREATE TEMPORARY VIEW v AS SELECT id AS a, avg(id) OVER (ORDER BY id) AS b FROM range(9)")
        .await
        .unwrap();
    let form = async |text: &str| {
        let Planned::Query(plan) = session.plan(text).await.unwrap() else {
            panic!("{text} is a query");
        };
        let state = session.state();
        let analyzer = state.analyzer();
        let plan = analyzer.execute_and_check(*plan, state.config_options(), |_, _| {});
        canonical(&plan.unwrap()).unwrap()
    };
    let query = form("SELECT id, avg(id) OVER (ORDER BY id) FROM range(9)").await;
    assert_eq!(form("SELECT * FROM v").await, query);
    assert_eq!(form("SELECT x.a AS A1, x.b FROM v AS x").await, query);
    assert_ne!(form("SELECT b, a FROM v").await, query);
    let range = session.range(0, 9, 1).unwrap();
    assert_eq!(
        canonical(&range),
        Some(form("SELECT * FROM range(9)").await)
    );
}
