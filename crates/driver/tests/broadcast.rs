//! Broadcast joins: which joins are, where their build sides are, and what becomes of those that do not fit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::logical_expr::{JoinType, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt};
use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::{QueryRecord, Session, hints};
use plimsoll_memory::MemoryMode;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

fn session(settings: &[(&str, &str)]) -> Arc<Session> {
    let mut conf = Conf::default();
    let usual = [
        ("spark.plimsoll.memory", "512m"),
        ("spark.master", "local[2]"),
    ];
    for (key, value) in usual.iter().chain(settings) {
        conf.set(key, value, Origin::Code).unwrap();
    }
    Arc::new(Session::new(conf, Machine::with_memory(64 << 30), Vec::new()).unwrap())
}

/// Where nothing is small enough to be broadcast unasked.
const OFF: (&str, &str) = ("spark.sql.autoBroadcastJoinThreshold", "-1");

/// A folder with a Parquet file for each of these queries, whose names are those of the tables.
async fn files(tables: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    let context = SessionContext::new();
    for (name, query) in tables {
        let path = directory.path().join(format!("{name}.parquet"));
        let copy = format!("COPY ({query}) TO '{}' STORED AS PARQUET", path.display());
        context.sql(&copy).await.unwrap().collect().await.unwrap();
    }
    directory
}

/// 1000 facts of which each has one of 50 dimensions, and 60 dimensions.
async fn star() -> TempDir {
    files(&[
        (
            "facts",
            "SELECT value AS id, value % 50 AS k FROM generate_series(0, 999)",
        ),
        (
            "dims",
            "SELECT value AS k, 'name ' || value AS name FROM generate_series(0, 59)",
        ),
    ])
    .await
}

async fn with_tables(settings: &[(&str, &str)], tables: &Path) -> Arc<Session> {
    let session = session(settings);
    session.register_tables(tables).await.unwrap();
    session
}

async fn batches(session: &Session, sql: &str) -> Vec<RecordBatch> {
    let answer = session.sql(sql).await;
    let answer = answer.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = answer.rows.expect("a query has rows").try_collect().await;
    rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

async fn text(session: &Session, sql: &str) -> String {
    let batches = batches(session, sql).await;
    pretty_format_batches(&batches).unwrap().to_string()
}

async fn number(session: &Session, sql: &str) -> i64 {
    batches(session, sql).await[0]
        .column(0)
        .as_primitive::<Int64Type>()
        .value(0)
}

/// What the plan of a query says of its broadcasts, one for each.
async fn broadcasts(session: &Session, sql: &str) -> Vec<String> {
    let plan = text(session, &format!("EXPLAIN {sql}")).await;
    assert!(!plan.contains("BroadcastHintExec"), "{plan}");
    plan.split("broadcast=")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap().to_owned() + ")")
        .collect()
}

fn last(session: &Session) -> QueryRecord {
    session.history().records().next_back().unwrap()
}

fn storage_used(session: &Session) -> u64 {
    session
        .unified_memory()
        .pools(MemoryMode::OnHeap)
        .storage_used
}

/// Tasks of a query that has ended let go as soon as they come to it, not at once.
async fn wait_until_free(session: &Session) {
    for _ in 0..500 {
        let pools = session.unified_memory().pools(MemoryMode::OnHeap);
        let driver = session.driver_memory().broadcasts.now;
        if pools.storage_used == 0 && pools.execution_used == 0 && driver == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let driver = session.driver_memory();
    panic!("{:?}, {driver:?}", session.unified_memory());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_threshold_decides_up_to_the_last_byte() {
    let files = star().await;
    let join = "SELECT count(*) FROM facts JOIN dims ON facts.k = dims.k";
    let all = with_tables(&[], files.path()).await;
    let said = broadcasts(&all, join).await;
    // "left (1021.0 B <= 10.0 MB)": the size that statistics tell.
    let size = said[0].split(['(', ' ']).nth(2).unwrap();
    let size: f64 = size.parse().unwrap();
    for (threshold, side) in [(size, 1), (size - 1.0, 0), (-1.0, 0)] {
        let threshold = threshold.to_string();
        all.sql(&format!("SET {}={threshold}", OFF.0))
            .await
            .unwrap();
        let said = broadcasts(&all, join).await;
        assert_eq!(said.len(), side, "{threshold}: {said:?}");
        assert_eq!(number(&all, join).await, 1000);
        assert_eq!(last(&all).broadcasts.len(), side);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_table_is_as_large_as_its_blocks() {
    let files = files(&[
        ("facts", "SELECT value AS k FROM generate_series(0, 999)"),
        (
            "texts",
            "SELECT value AS k, repeat('x', 150) || value AS text FROM generate_series(0, 99999)",
        ),
    ])
    .await;
    let session = with_tables(&[], files.path()).await;
    batches(&session, "CACHE TABLE texts").await;
    // 15 MB, where rows with a text of 20 bytes would come to 3.6 MB. Only the right side of a left join may be broadcast.
    let of =
        |column| format!("SELECT count({column}) FROM facts LEFT JOIN texts t ON facts.k = t.k");
    let none: [String; 0] = [];
    assert_eq!(broadcasts(&session, &of("t.text")).await, none);
    // The key alone is a part of it that is below the threshold.
    let said = broadcasts(&session, &of("t.k")).await;
    assert!(said.len() == 1 && said[0].starts_with("right"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_text_are_as_large_as_they_are_long() {
    let star = star().await;
    let session = with_tables(&[], star.path()).await;
    let lines = [
        ("csv", "_c0", "1\n20\n300\n"),
        ("json", "j", "{\"j\":\"1\"}\n"),
        ("text", "value", "1\n20\n"),
    ];
    for (format, column, content) in lines {
        let path = star.path().join(format!("lines.{format}"));
        std::fs::write(&path, content).unwrap();
        let join = format!(
            "SELECT count(*) FROM facts LEFT JOIN {format}.`{}` t ON CAST(k AS STRING) = t.{column}",
            path.display()
        );
        for (threshold, says) in [
            (content.len(), Some(format!("right ({}.0 B", content.len()))),
            (content.len() - 1, None),
        ] {
            let threshold = format!("SET {}={threshold}", OFF.0);
            session.sql(&threshold).await.unwrap();
            let said = broadcasts(&session, &join).await;
            match says {
                Some(says) => assert!(said.len() == 1 && said[0].starts_with(&says), "{said:?}"),
                None => assert!(said.is_empty(), "{said:?}"),
            }
            assert_eq!(number(&session, &join).await, 1000);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_of_all_forms_are_heeded() {
    let files = star().await;
    let session = with_tables(&[OFF], files.path()).await;
    for (query, expected) in [
        (
            "SELECT /*+ BROADCAST(dims) */ * FROM facts JOIN dims ON facts.k = dims.k",
            "right",
        ),
        (
            "SELECT /*+ BROADCAST(facts) */ * FROM facts JOIN dims ON facts.k = dims.k",
            "left",
        ),
        (
            "select /*+ broadcastjoin(D) */ * from facts f, dims d where f.k = d.k",
            "right",
        ),
        (
            "SELECT /*+ MAPJOIN(`f`) */ * FROM facts AS f JOIN dims AS d USING (k)",
            "left",
        ),
        (
            "SELECT /* first */ /*+ BROADCAST(Facts, DIMS) */ * FROM facts JOIN dims USING (k)",
            "right",
        ),
        (
            "SELECT * FROM facts JOIN (SELECT /*+ BROADCAST */ * FROM dims) d ON facts.k = d.k",
            "right",
        ),
        (
            "SELECT /*+ BROADCAST(d) */ * FROM facts JOIN (SELECT * FROM dims WHERE k < 9) d ON facts.k = d.k",
            "right",
        ),
        (
            "WITH d AS (SELECT * FROM dims) SELECT /*+ BROADCAST(d) */ * FROM facts JOIN d ON facts.k = d.k",
            "right",
        ),
        (
            "WITH d AS (SELECT /*+ BROADCAST */ * FROM dims) SELECT * FROM d JOIN facts ON facts.k = d.k",
            "left",
        ),
        (
            "SELECT /*+ BROADCAST(d) */ * FROM facts JOIN (dims d CROSS JOIN range(2) r) ON facts.k = d.k AND facts.id = r.id",
            "right",
        ),
        (
            "SELECT /*+ BROADCAST(dims) */ * FROM facts LEFT SEMI JOIN dims ON facts.k = dims.k",
            "right",
        ),
        (
            "SELECT 1 FROM range(3) UNION ALL SELECT /*+ BROADCAST(dims) */ id FROM facts JOIN dims ON facts.k = dims.k",
            "right",
        ),
        (
            "SELECT * FROM facts WHERE k IN (SELECT /*+ BROADCAST(dims) */ k FROM dims)",
            "right",
        ),
        (
            "SELECT /*+ MERGE(facts), BROADCAST(dims) COALESCE(1) */ * FROM facts JOIN dims ON facts.k = dims.k",
            "right",
        ),
        // Not the name that it goes by, not a name of the query, not a hint at all.
        (
            "SELECT /*+ BROADCAST(dims) */ * FROM facts JOIN dims d ON facts.k = d.k",
            "",
        ),
        (
            "SELECT /*+ BROADCAST(other) */ * FROM facts JOIN dims ON facts.k = dims.k",
            "",
        ),
        (
            "SELECT /* BROADCAST(dims) */ * FROM facts JOIN dims ON facts.k = dims.k",
            "",
        ),
        (
            "SELECT * FROM /*+ BROADCAST(dims) */ facts JOIN dims ON facts.k = dims.k",
            "",
        ),
        (
            "SELECT /*+ BROADCAST */ * FROM facts, dims WHERE facts.k = dims.k",
            "",
        ),
    ] {
        let said = broadcasts(&session, query).await;
        let expected: Vec<String> = match expected {
            "" => Vec::new(),
            side => vec![format!("{side} (hint)")],
        };
        assert_eq!(said, expected, "{query}");
        let without = query.replace("/*+", "/*");
        let rows = |text: String| {
            let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
            rows.sort();
            rows
        };
        assert_eq!(
            rows(text(&session, query).await),
            rows(text(&session, &without).await),
            "{query}"
        );
    }
    // In a view it is heeded where the view is used.
    session
        .sql("CREATE TEMPORARY VIEW small AS SELECT /*+ BROADCAST(dims) */ * FROM dims")
        .await
        .unwrap();
    let join = "SELECT * FROM facts JOIN small ON facts.k = small.k";
    assert_eq!(broadcasts(&session, join).await, ["right (hint)"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hint_that_spark_knows_is_read_and_others_too() {
    let files = star().await;
    let session = with_tables(&[OFF], files.path()).await;
    for hint in [
        "BROADCAST(dims)",
        "BROADCASTJOIN(dims)",
        "MAPJOIN(dims)",
        "MERGE(dims)",
        "SHUFFLE_MERGE(dims)",
        "MERGEJOIN(dims)",
        "SHUFFLE_HASH(dims)",
        "SHUFFLE_REPLICATE_NL(dims)",
        "COALESCE(3)",
        "REPARTITION(3)",
        "REPARTITION(k)",
        "REPARTITION(3, k)",
        "REPARTITION_BY_RANGE(k)",
        "REBALANCE",
        "REBALANCE(3, k)",
        "NO_SUCH_HINT(a, 1, 'x')",
        "",
        "BROADCAST(",
        "BROADCAST(1)",
        "BROADCAST(a.b.c.d)",
    ] {
        let join =
            format!("SELECT /*+ {hint} */ count(*) FROM facts JOIN dims ON facts.k = dims.k");
        assert_eq!(number(&session, &join).await, 1000, "{hint}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn which_side_may_be_broadcast_is_sparks() {
    let files = star().await;
    let small = with_tables(&[], files.path()).await;
    let off = with_tables(&[OFF], files.path()).await;
    for (join, sides) in [
        ("JOIN", "left right"),
        ("LEFT JOIN", "right"),
        ("RIGHT JOIN", "left"),
        ("FULL JOIN", ""),
        ("LEFT SEMI JOIN", "right"),
        ("LEFT ANTI JOIN", "right"),
    ] {
        let query = |hint: &str| {
            format!("SELECT {hint} a.k AS k FROM facts a {join} dims b ON a.k = b.k AND a.k > 10")
        };
        let expected = text(&off, &query("")).await;
        for (side, name) in [("left", "a"), ("right", "b")] {
            let hinted = query(&format!("/*+ BROADCAST({name}) */"));
            let said = broadcasts(&off, &hinted).await;
            match sides.contains(side) {
                true => assert_eq!(said, [format!("{side} (hint)")], "{join}"),
                false => assert!(said.is_empty(), "{join}: {said:?}"),
            }
            let found = text(&off, &hinted).await;
            let count = |text: &str| text.lines().count();
            assert_eq!(count(&found), count(&expected), "{join} {side}");
        }
        let said = broadcasts(&small, &query("")).await;
        assert_eq!(said.is_empty(), sides.is_empty(), "{join}: {said:?}");
    }
}

/// The set that rows are not in is built where it is small or the smaller side, whatever is NULL, and the rows stream past it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smaller_side_of_a_not_in_is_built() {
    let with_nulls =
        |rows: u64| format!("SELECT nullif(value, 7) AS k FROM generate_series(0, {rows})");
    let (few, many) = (with_nulls(9), with_nulls(29999));
    let files = files(&[("few", &few), ("many", &many)]).await;
    let small = with_tables(&[], files.path()).await;
    let off = with_tables(&[OFF], files.path()).await;
    let (set_built, rows_built) = ("join_type=RightAnti", "join_type=LeftAnti");
    for (session, rows, set, built, broadcast) in [
        (&small, "many", "few", set_built, true),
        (&small, "few", "many", set_built, true),
        (&off, "many", "few", set_built, false),
        (&off, "few", "many", rows_built, false),
    ] {
        let is_few = rows == "few";
        for (condition, expected) in [
            // The set has a NULL; has none; has no rows, which NULL is not in either.
            ("true", 0),
            ("k > 2", if is_few { 3 } else { 29_993 }),
            ("k < 0", if is_few { 10 } else { 30_000 }),
        ] {
            let is_empty = condition == "k < 0";
            let set = format!("SELECT k FROM {set} WHERE {condition}");
            let query = format!("SELECT count(*) FROM {rows} WHERE k NOT IN ({set})");
            let plan = text(session, &format!("EXPLAIN {query}")).await;
            assert!(plan.contains("null_aware"), "{plan}");
            // What is known to be empty is the smaller side, and nothing is as fast to build.
            let built = if is_empty { set_built } else { built };
            assert!(plan.contains(built), "{plan}");
            assert_eq!(plan.contains("broadcast=right ("), broadcast, "{plan}");
            assert_eq!(number(session, &query).await, expected, "{query}");
        }
    }
}

/// Rows of a join in which the broadcast side is as large as this.
const LARGE: &str = "
    SELECT /*+ BROADCAST(b) */ a.id AS id, b.s AS s FROM range(300000) a
    JOIN (SELECT id, repeat('x', 100) || id AS s FROM range(60000)) b ON a.id % 60000 = b.id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_held_once_by_storage_while_the_join_runs() {
    let session = session(&[OFF]);
    for ends in ["read", "cancel", "error"] {
        let query = match ends {
            "error" => format!("SELECT CAST(substr(s, 1, 1) AS INT) FROM ({LARGE})"),
            _ => LARGE.to_owned(),
        };
        let mut rows = session.sql(&query).await.unwrap().rows.unwrap();
        match ends {
            "error" => {
                let outcome: Result<Vec<_>, _> = rows.try_collect().await;
                outcome.expect_err("it raises an error");
            }
            _ => {
                rows.next().await.unwrap().unwrap();
                let (held, taken) = (storage_used(&session), session.driver_memory());
                let bytes = 60_000 * 100;
                assert!(held > bytes && held < 2 * bytes, "{held}");
                assert_eq!(taken.broadcasts.now, 0);
                assert!(taken.broadcasts.peak > bytes, "{taken:?}");
                if ends == "read" {
                    let rest: Vec<_> = rows.try_collect().await.unwrap();
                    assert!(rest.iter().map(RecordBatch::num_rows).sum::<usize>() > 200_000);
                } else {
                    drop(rows);
                }
            }
        }
        wait_until_free(&session).await;
        let record = last(&session);
        let [broadcast] = record.broadcasts.as_slice() else {
            panic!("{ends}: {:?}", record.broadcasts);
        };
        assert_eq!(
            (broadcast.side.as_str(), &broadcast.given_up),
            ("right (hint)", &None)
        );
        assert!(
            broadcast.bytes > 6_000_000 && broadcast.keys.ends_with("= id"),
            "{broadcast:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_fit_becomes_a_partitioned_join() {
    let sum = format!("SELECT count(*) AS n, sum(id + length(s)) AS sum FROM ({LARGE})");
    let plain = sum.replace("/*+ BROADCAST(b) */", "");
    let expected = text(&session(&[OFF]), &plain).await;
    for (settings, lacking) in [
        // The driver's part, which is user memory: 10 % of 65 MiB.
        (
            [
                ("spark.plimsoll.memory", "65m"),
                ("spark.memory.fraction", "0.9"),
                OFF,
            ],
            "the driver's part",
        ),
        // Storage memory that is not evicted: 10 % of 60 % of 96 MiB.
        (
            [
                ("spark.plimsoll.memory", "96m"),
                ("spark.memory.storageFraction", "0.1"),
                OFF,
            ],
            "storage memory",
        ),
        (
            [
                ("spark.sql.maxBroadcastTableSize", "5m"),
                ("spark.app.name", "small"),
                OFF,
            ],
            "spark.sql.maxBroadcastTableSize",
        ),
    ] {
        let session = session(&settings);
        assert_eq!(text(&session, &sum).await, expected, "{lacking}");
        let record = last(&session);
        assert_eq!(record.plan_given_up, None);
        let told = record.broadcasts[0].to_string();
        assert!(
            told.contains(&format!("did not fit in {lacking}")),
            "{told}"
        );
        assert!(told.ends_with("joined by partitions instead"), "{told}");
        let measured = text(&session, &format!("EXPLAIN ANALYZE {sum}")).await;
        assert!(measured.contains("broadcast_given_up=1"), "{measured}");
        wait_until_free(&session).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_larger_than_all_memory_spills_and_gives_the_same_rows() {
    let large = "
        SELECT /*+ BROADCAST(b) */ count(*) AS n, sum(length(b.s)) AS sum FROM range(400000) a
        JOIN (SELECT id, repeat('x', 100) || id AS s FROM range(250000)) b ON a.id = b.id";
    let session = session(&[("spark.plimsoll.memory", "65m"), OFF]);
    let rows = batches(&session, large).await;
    let column = |at: usize| rows[0].column(at).as_primitive::<Int64Type>().value(0);
    let digits: i64 = (0..250_000_i64).map(|id| id.to_string().len() as i64).sum();
    assert_eq!((column(0), column(1)), (250_000, 25_000_000 + digits));
    let record = last(&session);
    assert!(
        record.broadcasts[0].given_up.is_some() && record.spilled_bytes > MIB,
        "{record:?}"
    );
    wait_until_free(&session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_at_once_have_the_region_between_them() {
    let session = session(&[("spark.plimsoll.memory", "128m"), OFF]);
    let query = format!("SELECT count(*) FROM ({LARGE})");
    let one = async || {
        let counted = number(&session, &query).await;
        let region = session.unified_memory().storage_region(MemoryMode::OnHeap);
        assert!(storage_used(&session) <= region);
        counted
    };
    let counted = futures::join!(one(), one(), one(), one(), one(), one());
    assert_eq!(
        counted,
        (300_000, 300_000, 300_000, 300_000, 300_000, 300_000)
    );
    wait_until_free(&session).await;
    let records: Vec<_> = session.history().records().collect();
    let stored = records
        .iter()
        .filter(|record| record.broadcasts[0].given_up.is_none());
    assert!(stored.count() > 0, "{records:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_hinted_from_rust_and_a_cached_one_stays_so() {
    let files = star().await;
    let session = with_tables(&[OFF], files.path()).await;
    let dims = session.table("dims").await.unwrap().unwrap();
    let facts = session.table("facts").await.unwrap().unwrap();
    let join = LogicalPlanBuilder::from(facts)
        .join(
            hints::broadcast(dims),
            JoinType::Left,
            (vec!["facts.k"], vec!["dims.k"]),
            None,
        )
        .unwrap()
        .build()
        .unwrap();
    for cached in [false, true] {
        if cached {
            session
                .sql("CACHE TABLE dims")
                .await
                .unwrap()
                .rows
                .unwrap()
                .try_collect::<Vec<_>>()
                .await
                .unwrap();
        }
        let rows = session.run_plan(join.clone(), "join").await.unwrap();
        let query = rows.query().unwrap();
        let batches: Vec<_> = rows.try_collect().await.unwrap();
        assert_eq!(
            batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
            1000
        );
        let details: Vec<String> = query.operators().into_iter().map(|it| it.details).collect();
        let is_broadcast = |details: &String| details.contains("broadcast=right (hint)");
        assert!(details.iter().any(is_broadcast), "{details:?}");
        let reads_cache = details.iter().any(|details| details.contains("Cached"));
        assert_eq!(reads_cache, cached, "{details:?}");
    }
}
