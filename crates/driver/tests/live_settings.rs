//! Settings of memory that are changed while a query runs: what becomes of the pools, and that the query goes on.

use std::time::Duration;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use plimsoll_conf::{Conf, Machine, Origin, Surroundings};
use plimsoll_driver::{Error, QueryRecord, Rows, Session, SessionBuilder};

const MIB: u64 = 1 << 20;

/// Sorts 40 MB of texts.
const SORT: &str = "
    SELECT count(*) AS n, sum(length(s)) AS l, max(id) AS id FROM (
        SELECT id, repeat('x', 100) AS s FROM range(400000) ORDER BY id % 1000, s, id LIMIT 399999)";

fn builder() -> SessionBuilder {
    Session::builder()
        .surroundings(Surroundings::default())
        .machine(Machine::with_memory(8 << 30))
        .master("local[2]")
}

/// The first row, as numbers.
async fn numbers(mut rows: Rows) -> Result<Vec<i64>, Error> {
    let mut numbers = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        let columns = batch.columns().iter();
        let number = columns.map(|column| column.as_primitive::<Int64Type>().value(0));
        numbers.extend(number);
    }
    Ok(numbers)
}

/// Runs [`SORT`] and changes settings as soon as it holds memory: what was said of each, and the record of the query, which
/// has the right answer.
async fn changed_meanwhile(session: &Session, sets: &[&str]) -> (Vec<Vec<String>>, QueryRecord) {
    let rows = session.sql(SORT).await.unwrap().rows.unwrap();
    let id = rows.query().unwrap().id();
    let reading = tokio::spawn(numbers(rows));
    let mut waited = 0;
    while session.memory().on_heap.execution_used < 8 * MIB {
        waited += 1;
        assert!(waited < 30_000, "{:?}", session.memory());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut told = Vec::new();
    for set in sets {
        told.push(session.sql(set).await.unwrap().notices);
    }
    let running = session.memory().running;
    assert!(running.iter().any(|query| query.progress.id == id));
    let answer = reading.await.unwrap().unwrap();
    assert_eq!(answer, [399_999, 39_999_900, 399_998]);
    let history = session.history();
    let mut records = history.records();
    (told, records.find(|record| record.id == id).unwrap())
}

/// Old and new of the part of memory that a notice tells of.
fn has(notices: &[String], part: &str) -> bool {
    let told = notices.iter().filter_map(|notice| notice.split_once(": "));
    told.filter(|(of, _)| *of == part).any(|(_, sizes)| {
        sizes
            .split_once(" -> ")
            .is_some_and(|(old, new)| old != new)
    })
}

fn unified(session: &Session) -> u64 {
    let pools = session.memory().on_heap;
    pools.execution + pools.storage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smaller_fraction_makes_the_running_query_spill_and_a_larger_one_gives_it_more() {
    let session = builder().memory("512m").build().unwrap();
    let (_, alone) = changed_meanwhile(&session, &[]).await;
    assert_eq!(alone.spilled_bytes, 0, "{alone:?}");
    let set = "SET spark.memory.fraction = 0.1";
    let (told, squeezed) = changed_meanwhile(&session, &[set]).await;
    assert!(has(&told[0], "unified memory"), "{told:?}");
    assert!(squeezed.spilled_bytes > 0, "{squeezed:?}");
    let small = unified(&session);
    assert_eq!(small, session.layout().executor.unified.bytes);
    let set = "SET spark.memory.fraction = 0.6";
    let (told, freed) = changed_meanwhile(&session, &[set]).await;
    assert!(has(&told[0], "unified memory"), "{told:?}");
    assert!(freed.peak_execution > small, "{freed:?}");
    assert!(freed.spilled_bytes < squeezed.spilled_bytes, "{freed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smaller_storage_fraction_lets_the_running_query_evict_and_a_larger_one_protects_again() {
    let session = builder()
        .memory("256m")
        .config("spark.memory.storageFraction", "0.95")
        .build()
        .unwrap();
    let cache = "CACHE TABLE kept OPTIONS ('storageLevel' 'MEMORY_ONLY') AS
        SELECT id, repeat('y', 200) || id AS s FROM range(280000)";
    let rows = session.sql(cache).await.unwrap().rows.unwrap();
    rows.try_collect::<Vec<_>>().await.unwrap();
    let evictions = || session.cached()[0].usage.evictions;
    let cached = session.memory().on_heap.storage_used;
    assert!(
        cached > unified(&session) * 6 / 10,
        "{:?}",
        session.memory()
    );
    let (_, starved) = changed_meanwhile(&session, &[]).await;
    assert_eq!(evictions(), 0);
    let set = "SET spark.memory.storageFraction = 0.05";
    let (told, fed) = changed_meanwhile(&session, &[set]).await;
    assert!(has(&told[0], "storage region"), "{told:?}");
    assert!(evictions() > 0);
    assert!(
        fed.peak_execution > 2 * starved.peak_execution,
        "{starved:?} {fed:?}"
    );
    let set = "SET spark.memory.storageFraction = 0.9";
    let (told, _) = changed_meanwhile(&session, &[set]).await;
    assert!(has(&told[0], "storage region"), "{told:?}");
    let region = session.layout().executor.storage_region.bytes;
    assert!(region > unified(&session) * 8 / 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executor_memory_shrinks_and_grows_under_a_running_query_up_to_what_the_machine_has() {
    let session = builder()
        .config("spark.executor.memory", "1g")
        .config("spark.driver.memory", "1g")
        .config("spark.memory.fraction", "0.2")
        .build()
        .unwrap();
    let large = unified(&session);
    let (_, alone) = changed_meanwhile(&session, &[]).await;
    assert_eq!(alone.spilled_bytes, 0, "{alone:?}");
    let set = "SET spark.executor.memory = 460m";
    let (told, squeezed) = changed_meanwhile(&session, &[set]).await;
    assert!(
        has(&told[0], "unified memory") && has(&told[0], "the line"),
        "{told:?}"
    );
    assert!(unified(&session) < large / 4);
    assert!(squeezed.spilled_bytes > 0, "{squeezed:?}");
    let set = "SET spark.executor.memory = 2g";
    let (told, freed) = changed_meanwhile(&session, &[set]).await;
    assert!(has(&told[0], "unified memory"), "{told:?}");
    assert!(unified(&session) > 2 * large && freed.spilled_bytes < squeezed.spilled_bytes);
    assert_eq!(session.layout().line.bytes, 3 << 30);
    let set = "SET spark.executor.memory = 64g";
    let (told, _) = changed_meanwhile(&session, &[set]).await;
    assert!(
        told[0]
            .iter()
            .any(|notice| notice.contains("the machine has")),
        "{told:?}"
    );
    assert_eq!(session.layout().line.bytes, 8 << 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn driver_memory_moves_the_drivers_part_and_the_line_under_a_running_query() {
    let session = builder()
        .config("spark.executor.memory", "1g")
        .config("spark.driver.memory", "1g")
        .build()
        .unwrap();
    let grow_and_shrink = [
        "SET spark.driver.memory = 2g",
        "SET spark.driver.memory = 512m",
    ];
    let (told, _) = changed_meanwhile(&session, &grow_and_shrink).await;
    for notices in &told {
        assert!(
            has(notices, "the driver's part") && has(notices, "the line"),
            "{told:?}"
        );
    }
    assert!(
        told[0].contains(&"the driver's part: 1 GiB -> 2 GiB".into()),
        "{told:?}"
    );
    assert_eq!(session.driver_memory().limit, 512 * MIB);
    assert_eq!(session.layout().line.bytes, 1536 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_result_is_another_for_the_next_query_and_the_running_one_goes_on() {
    let session = builder().memory("512m").build().unwrap();
    let result = async |bytes: u64| {
        let mut rows = session.sql("SELECT 1").await.unwrap().rows.unwrap();
        let batch = rows.try_next().await.unwrap().unwrap();
        rows.count_result(&batch, bytes).is_ok()
    };
    assert!(result(2 * MIB).await);
    let set = "SET spark.driver.maxResultSize = 1m";
    let (told, _) = changed_meanwhile(&session, &[set]).await;
    assert_eq!(told[0], ["spark.driver.maxResultSize: 1g -> 1m"]);
    assert!(!result(2 * MIB).await);
    let set = "SET spark.driver.maxResultSize = 4m";
    let (told, _) = changed_meanwhile(&session, &[set]).await;
    assert_eq!(told[0], ["spark.driver.maxResultSize: 1m -> 4m"]);
    assert!(result(2 * MIB).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shuffle_partitions_are_told_old_and_new_and_the_running_query_goes_on() {
    let session = builder().memory("512m").build().unwrap();
    let sets = [
        "SET spark.sql.shuffle.partitions = 7",
        "SET spark.sql.shuffle.partitions = 7",
        "RESET spark.sql.shuffle.partitions",
    ];
    let (told, _) = changed_meanwhile(&session, &sets).await;
    assert_eq!(told[0], ["spark.sql.shuffle.partitions: 200 -> 7"]);
    assert_eq!(told[1], [""; 0], "nothing was changed");
    assert_eq!(told[2], ["spark.sql.shuffle.partitions: 7 -> 200"]);
}

#[tokio::test]
async fn no_session_of_a_server_raises_its_line_with_whatever_setting() {
    let mut conf = Conf::default();
    for (key, value) in [
        ("spark.executor.memory", "1g"),
        ("spark.driver.memory", "1g"),
    ] {
        conf.set(key, value, Origin::Code).unwrap();
    }
    let server = Session::of_server(conf, Machine::with_memory(64 << 30)).unwrap();
    let client = server.sibling().await.unwrap();
    for set in [
        "SET spark.executor.memory = 4g",
        "SET spark.driver.memory = 4g",
        "SET spark.plimsoll.memory = 16g",
        "SET spark.memory.offHeap.size = 8g",
        "SET spark.memory.offHeap.enabled = true",
        "SET spark.memory.fraction = 0.9",
    ] {
        let answer = client.sql(set).await;
        let notices = answer.map_or_else(|error| vec![error.to_string()], |answer| answer.notices);
        for session in [&server, &client] {
            assert!(session.memory().line <= 2 << 30, "{set}: {notices:?}");
        }
    }
}
