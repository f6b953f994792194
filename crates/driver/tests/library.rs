//! The engine as a Rust program embeds it: builder, DataFrames, live figures, events.

use std::fs;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::catalog::{Session as Planning, TableProvider};
use datafusion::datasource::TableType;
use datafusion::functions_aggregate::expr_fn::{count, max};
use datafusion::logical_expr::{ColumnarValue, Expr, Volatility, create_udf};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionContext, col, lit};
use futures::{FutureExt, StreamExt, TryStreamExt};
use plimsoll_conf::profile::Profile;
use plimsoll_conf::{Machine, Surroundings};
use plimsoll_driver::{Error, Event, EventKind, EventStream, Session, SessionBuilder, Status};

/// A builder that heeds nothing around the test, on a machine of 64 GiB.
fn builder() -> SessionBuilder {
    Session::builder()
        .surroundings(Surroundings::default())
        .machine(Machine::with_memory(64 << 30))
        .master("local[2]")
}

const SORT: &str =
    "SELECT id, repeat('x', 100) AS s FROM range(600000) ORDER BY id % 1000, s, id LIMIT 599999";

async fn rows(session: &Session, sql: &str) -> Result<usize, Error> {
    let mut rows = session.sql(sql).await?.rows.unwrap();
    let mut count = 0;
    while let Some(batch) = rows.try_next().await? {
        count += batch.num_rows();
    }
    Ok(count)
}

#[test]
fn what_the_program_sets_wins_over_files_and_files_over_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let defaults = directory.path().join("spark-defaults.conf");
    fs::write(
        &defaults,
        "spark.memory.fraction 0.5\nspark.executor.memory 3g\nspark.driver.memory 2g\n",
    )
    .unwrap();
    let surroundings = Surroundings::with_variables([
        ("SPARK_CONF_DIR", directory.path().to_str().unwrap()),
        ("SPARK_DRIVER_MEMORY", "7g"),
        ("SPARK_EXECUTOR_CORES", "3"),
    ]);
    let built = builder().surroundings(surroundings.clone());
    let session = built.clone().config("spark.executor.memory", "8g").build();
    let conf = session.unwrap().conf();
    let value = |key: &str| conf.get(key).unwrap().0.to_owned();
    assert_eq!(value("spark.executor.memory"), "8g");
    assert_eq!(value("spark.memory.fraction"), "0.5");
    assert_eq!(value("spark.driver.memory"), "2g");
    assert_eq!(value("spark.executor.cores"), "3");

    let other = directory.path().join("other.conf");
    fs::write(&other, "spark.app.name other\n").unwrap();
    let session = built.properties_file(&other).build().unwrap();
    let conf = session.conf();
    assert_eq!(conf.get("spark.app.name").unwrap().0, "other");
    assert_eq!(conf.get("spark.driver.memory").unwrap().0, "7g");
    assert_eq!(conf.get("spark.memory.fraction").unwrap().0, "0.6");
}

#[tokio::test]
async fn a_builder_has_a_call_for_what_every_program_sets_and_tells_what_is_wrong() {
    let session = builder()
        .app_name("report")
        .memory("256m")
        .profile(Profile::Shuffle)
        .arguments(["7"])
        .build()
        .unwrap();
    let conf = session.conf();
    assert_eq!(conf.get("spark.app.name").unwrap().0, "report");
    assert_eq!(conf.get("spark.sql.shuffle.partitions").unwrap().0, "400");
    assert_eq!(session.layout().line.bytes, 256 << 20);
    assert_eq!(
        rows(&session, "SELECT * FROM range(${1})").await.unwrap(),
        7
    );

    let refused = |built: SessionBuilder| built.build().err().unwrap().to_string();
    let wrong = refused(builder().config("spark.memory.fraction", 1.5));
    assert!(
        wrong.contains("spark.memory.fraction = 1.5") && wrong.contains("is refused"),
        "{wrong}"
    );
    let impossible = refused(builder().config("spark.executor.memory", "100m"));
    assert!(impossible.contains("spark.executor.memory"), "{impossible}");
    let missing = refused(builder().properties_file("/nowhere/spark.conf"));
    assert!(missing.contains("/nowhere/spark.conf"), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataframe_that_is_collected_is_a_query_of_the_session() {
    let session = builder().memory("64m").build().unwrap();
    let frame = session.dataframe(SORT).await.unwrap();
    let frame = frame
        .aggregate(vec![], vec![count(lit(1)), max(col("id"))])
        .unwrap();
    let batches = frame.clone().collect().await.unwrap();
    let column = |at: usize| batches[0].column(at).as_primitive::<Int64Type>().value(0);
    assert_eq!((column(0), column(1)), (599_999, 599_998));
    let record = session.history().records().next_back().unwrap();
    assert_eq!(record.status, Status::Finished);
    assert!(record.spilled_bytes > 1 << 20, "{record:?}");
    assert!(record.sql.starts_with("Aggregate"), "{record:?}");

    // The same plan as any other of the session's, under a name of its own.
    let plan = frame.into_unoptimized_plan();
    let again = session.run_plan(plan, "how many").await.unwrap();
    let again: Vec<_> = again.try_collect().await.unwrap();
    assert_eq!(again[0].num_rows(), 1);
    let record = session.history().records().next_back().unwrap();
    assert_eq!(record.sql, "how many");

    let command = session.dataframe("SET spark.app.name = x").await;
    let refused = command.err().unwrap().to_string();
    assert!(refused.contains("run it with sql("), "{refused}");
    assert_eq!(session.conf().get("spark.app.name").unwrap().0, "plimsoll");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_has_the_tables_of_the_session_and_gives_it_its_own() {
    let session = builder().memory("128m").build().unwrap();
    session
        .sql("CREATE TEMPORARY VIEW numbers AS SELECT id AS n FROM range(10)")
        .await
        .unwrap();
    let context = session.context();
    let evens = context.sql("SELECT n FROM numbers WHERE n % 2 = 0").await;
    let evens = evens.unwrap();
    assert_eq!(evens.clone().count().await.unwrap(), 5);
    context.register_table("evens", evens.into_view()).unwrap();
    assert_eq!(rows(&session, "SELECT * FROM evens").await.unwrap(), 5);

    let same = create_udf(
        "same",
        vec![DataType::Int64],
        DataType::Int64,
        Volatility::Volatile,
        Arc::new(|arguments: &[ColumnarValue]| Ok(arguments[0].clone())),
    );
    context.register_udf(same);
    let called = context.sql("SELECT same(n) FROM numbers").await.unwrap();
    assert_eq!(called.collect().await.unwrap()[0].num_rows(), 10);

    let failing = context.sql("SELECT CAST('x' AS BIGINT) FROM numbers").await;
    let error = failing.unwrap().collect().await.unwrap_err();
    let own = error.find_root().to_string();
    assert!(own.contains("Cannot cast string 'x'"), "{own}");
    let record = session.history().records().next_back().unwrap();
    assert_eq!(record.status, Status::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_outside_of_the_sessions_queries_is_granted_nothing_and_told_where_to_go() {
    let session = builder().memory("128m").build().unwrap();
    let outside = SessionContext::new_with_state(session.state());
    let list = outside.sql("SELECT array_agg(value) FROM generate_series(1, 1000)");
    let error = list.await.unwrap().collect().await.unwrap_err().to_string();
    assert!(error.contains("Session::context"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_show_the_running_queries_and_what_each_holds() {
    let session = builder().memory("64m").build().unwrap();
    let mut sorted = session.sql(SORT).await.unwrap().rows.unwrap();
    sorted.next().await.unwrap().unwrap();
    let figures = session.memory();
    assert_eq!(figures.line, 64 << 20);
    assert!(figures.held.resident > 0);
    let [running] = figures.running.as_slice() else {
        panic!("{figures:?}");
    };
    assert_eq!(running.description, SORT);
    assert_eq!(running.progress.id, sorted.query().unwrap().id());
    assert!(running.progress.execution > 0, "{figures:?}");
    assert!(figures.on_heap.execution_used > 0, "{figures:?}");
    assert_eq!(figures.driver, session.driver_memory());
    let json = serde_json::to_value(&figures).unwrap();
    assert_eq!(json["running"][0]["description"], SORT);
    assert_eq!(json["line"], 64 << 20);
    drop(sorted);
    assert_eq!(session.memory().running, []);
}

/// A table that nobody ever learns how to read.
#[derive(Debug)]
struct Endless;

#[async_trait]
impl TableProvider for Endless {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]))
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Planning,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        future::pending().await
    }
}

/// The events up to the end of a query, without their times.
async fn until_end(events: &mut EventStream) -> Vec<EventKind> {
    let mut told = Vec::new();
    while let Some(Event { time, kind }) = events.next().await {
        // Some day after this was written.
        assert!(time > 1_700_000_000_000, "{time}");
        let is_end = matches!(kind, EventKind::SqlExecutionEnd { .. });
        told.push(kind);
        if is_end {
            break;
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_tell_a_query_from_its_start_to_its_record() {
    let session = builder().memory("64m").build().unwrap();
    let mut events = session.events();
    rows(&session, SORT).await.unwrap();
    let told = until_end(&mut events).await;
    let [
        EventKind::SqlExecutionStart {
            id,
            description,
            session: 0,
        },
        EventKind::SqlExecutionPlanned {
            operators,
            plan_given_up: None,
            ..
        },
        EventKind::JobStart { id: begun },
        ..,
        EventKind::SqlExecutionEnd { record },
    ] = told.as_slice()
    else {
        panic!("{told:?}");
    };
    assert_eq!((*id, *begun, record.id), (0, 0, 0));
    assert_eq!(description, SORT);
    assert!(
        operators.iter().any(|name| name.contains("Sort")),
        "{operators:?}"
    );
    assert!(record.status == Status::Finished && record.spilled_bytes > 0);

    assert!(rows(&session, "SELECT * FROM nowhere").await.is_err());
    let failed = until_end(&mut events).await;
    let Some(EventKind::SqlExecutionEnd { record }) = failed.last() else {
        panic!("{failed:?}");
    };
    assert_eq!((record.id, record.status), (1, Status::Failed));

    // One that is dropped while it is planned leaves no trace but its end.
    let context = session.context();
    context
        .register_table("endless", Arc::new(Endless))
        .unwrap();
    let planned = session.sql("SELECT * FROM endless").now_or_never();
    assert!(planned.is_none());
    let given_up = until_end(&mut events).await;
    let Some(EventKind::SqlExecutionEnd { record }) = given_up.last() else {
        panic!("{given_up:?}");
    };
    assert_eq!((record.id, record.status), (2, Status::Cancelled));
    assert_eq!(session.memory().running, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_tell_of_settings_caches_and_sessions() {
    let session = builder().memory("1g").build().unwrap();
    let events = session.events();
    session
        .sql("SET spark.memory.storageFraction = 0.2")
        .await
        .unwrap();
    let plan = session.range(0, 10, 1).unwrap();
    session
        .persist(&plan, Some("ten"), "MEMORY_ONLY".parse().ok())
        .unwrap();
    assert!(session.unpersist(&plan).unwrap());
    drop(session.sibling().await.unwrap());
    drop(session);
    let told: Vec<_> = events.map(|event| event.kind).collect().await;
    let EventKind::EnvironmentUpdate {
        key,
        old,
        new,
        sizes,
        ..
    } = &told[0]
    else {
        panic!("{told:?}");
    };
    assert_eq!(key.as_deref(), Some("spark.memory.storageFraction"));
    assert_eq!((old.as_deref(), new.as_deref()), (Some("0.5"), Some("0.2")));
    assert!(sizes[0].starts_with("storage region: "), "{sizes:?}");
    let rest = &told[1..];
    assert_eq!(
        rest,
        [
            EventKind::Persisted {
                name: "ten".into(),
                level: "MEMORY_ONLY".into()
            },
            EventKind::Unpersisted {
                name: Some("ten".into())
            },
            EventKind::SessionStarted { session: 1 },
            EventKind::SessionClosed { session: 1 },
            EventKind::SessionClosed { session: 0 },
        ]
    );
    let line = serde_json::to_value(&rest[2]).unwrap();
    assert_eq!(
        line,
        serde_json::json!({"event": "SessionStarted", "session": 1})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_tell_of_blocks_that_are_evicted_and_where_they_are() {
    for (level, are_on_disk) in [("MEMORY_AND_DISK", true), ("MEMORY_ONLY", false)] {
        let session = builder().memory("256m").build().unwrap();
        let mut events = session.events();
        let cache = format!(
            "CACHE TABLE kept OPTIONS ('storageLevel' '{level}') AS SELECT id, repeat('y', 200) || id AS s FROM range(200000)"
        );
        rows(&session, &cache).await.unwrap();
        let usage = session.cached()[0].usage;
        assert_eq!(usage.evictions, 0, "{usage:?}");
        let before = usage.memory;
        session
            .sql("SET spark.memory.fraction = 0.1")
            .await
            .unwrap();
        let (mut evicted, mut on_disk, mut freed) = (0, 0, 0);
        while evicted == 0 || evicted < session.cached()[0].usage.evictions {
            let event = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
            let EventKind::BlocksEvicted {
                name,
                blocks,
                blocks_on_disk,
                bytes,
            } = event.unwrap().unwrap().kind
            else {
                continue;
            };
            assert_eq!(name, "kept");
            evicted += blocks;
            on_disk += blocks_on_disk;
            freed += bytes;
        }
        assert_eq!(on_disk, if are_on_disk { evicted } else { 0 });
        let after = session.cached()[0].usage;
        assert_eq!((after.evictions, after.memory), (evicted, before - freed));
    }
}

#[tokio::test]
async fn an_event_is_written_with_its_time_and_its_name() {
    let session = builder().memory("128m").build().unwrap();
    let mut events = session.events();
    assert_eq!(rows(&session, "SELECT 1").await.unwrap(), 1);
    let first = tokio::time::timeout(Duration::from_secs(10), events.next()).await;
    let written = serde_json::to_value(first.unwrap().unwrap()).unwrap();
    assert_eq!(written["event"], "SqlExecutionStart");
    assert_eq!(written["description"], "SELECT 1");
    assert!(written["time"].is_u64(), "{written}");
}
