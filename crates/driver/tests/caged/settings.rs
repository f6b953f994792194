use plimsoll_conf::{Conf, Machine, Origin};
use plimsoll_driver::Session;

use crate::process::{MIB, in_cage, until};
use crate::sorts::Sort;

const LINE: u64 = 152 * MIB;

/// What the settings below come to.
const SERVERS_LINE: u64 = 104 * MIB;

/// More than the line, however it is divided.
const SORT: Sort = Sort {
    rows: 250_000,
    width: 800,
};

/// A session with room above its line. The engine's part is small, so that executors may be.
const SETTINGS: [(&str, &str); 4] = [
    ("spark.master", "local[2]"),
    ("spark.driver.memory", "32m"),
    ("spark.executor.memory", "72m"),
    ("spark.plimsoll.memory.reserved", "24m"),
];

/// What is set, and words of what is said to it.
type Change = (&'static str, &'static [&'static str]);

/// What each session may do, up and down.
const CHANGES: [Change; 10] = [
    (
        "spark.memory.fraction = 0.3",
        &["unified memory: 28.8 MiB -> 14.4 MiB"],
    ),
    (
        "spark.memory.storageFraction = 0.1",
        &["storage region: 7.2 MiB -> 1.4 MiB"],
    ),
    (
        "spark.memory.storageFraction = 0.8",
        &["storage region: 1.4 MiB -> 11.5 MiB"],
    ),
    (
        "spark.memory.fraction = 0.9",
        &["unified memory: 14.4 MiB -> 43.2 MiB"],
    ),
    (
        "spark.executor.memory = 48m",
        &[
            "the line: 104 MiB -> 80 MiB",
            "unified memory: 43.2 MiB -> 21.6 MiB",
        ],
    ),
    (
        "spark.driver.memory = 24m",
        &[
            "the line: 80 MiB -> 72 MiB",
            "the driver's part: 32 MiB -> 24 MiB",
        ],
    ),
    (
        "spark.driver.maxResultSize = 1m",
        &["spark.driver.maxResultSize: 1g -> 1m"],
    ),
    (
        "spark.driver.maxResultSize = 2g",
        &["spark.driver.maxResultSize: 1m -> 2g"],
    ),
    (
        "spark.sql.shuffle.partitions = 7",
        &["spark.sql.shuffle.partitions: 200 -> 7"],
    ),
    (
        "spark.sql.shuffle.partitions = 400",
        &["spark.sql.shuffle.partitions: 7 -> 400"],
    ),
];

/// Up again, by more than there is, where the session owns its process.
const TO_THE_CONTAINERS: [Change; 3] = [
    ("spark.driver.memory = 32m", &["the line: 72 MiB -> 80 MiB"]),
    (
        "spark.executor.memory = 8g",
        &[
            "is all the container has: it is 120 MiB now",
            "the line: 80 MiB -> 152 MiB",
        ],
    ),
    (
        "spark.driver.memory = 8g",
        &["is all the container has: it is 32 MiB now"],
    ),
];

/// The same in a server, whose line is what it was given.
const TO_THE_SERVERS: [Change; 3] = [
    ("spark.driver.memory = 32m", &["the line: 72 MiB -> 80 MiB"]),
    (
        "spark.executor.memory = 8g",
        &[
            "is all the server was given: it is 72 MiB now",
            "the line: 80 MiB -> 104 MiB",
        ],
    ),
    (
        "spark.driver.memory = 8g",
        &["is all the server was given: it is 32 MiB now"],
    ),
];

/// Changes settings while a query runs that spills: each change is told, old and new, and the query goes on to its right
/// answer. Another with the settings as they are then has all of the line to fill.
async fn changed_while_a_query_spills(
    session: &Session,
    changes: impl IntoIterator<Item = Change>,
) {
    let rows = SORT.start(session).await;
    let query = rows.query().unwrap();
    until("it spills", || query.progress().spilled > 0).await;
    for (set, words) in changes {
        let told = session.sql(&format!("SET {set}")).await.unwrap().notices;
        let told = told.join("\n");
        let is_told = words.iter().all(|words| told.contains(words));
        assert!(is_told, "{set}: {told}");
        let is_kept = || {
            let memory = session.memory();
            memory.held.resident <= memory.line
        };
        until("no more is resident than the line is now", is_kept).await;
    }
    // Nobody has read its rows yet.
    assert_eq!(session.memory().running.len(), 1);
    SORT.read(rows).await;
    SORT.read(SORT.start(session).await).await;
}

fn conf() -> Conf {
    let mut conf = Conf::default();
    for (key, value) in SETTINGS {
        conf.set(key, value, Origin::Code).unwrap();
    }
    conf
}

#[test]
fn a_session_that_owns_its_process_moves_its_line_up_to_the_containers_while_a_query_spills() {
    let test = "settings::a_session_that_owns_its_process_moves_its_line_up_to_the_containers_while_a_query_spills";
    in_cage(test, LINE, async || {
        let machine = Machine::detect().unwrap();
        let session = Session::new(conf(), machine, Vec::new()).unwrap();
        let changes = CHANGES.into_iter().chain(TO_THE_CONTAINERS);
        changed_while_a_query_spills(&session, changes).await;
        assert_eq!(session.memory().line, LINE);
    });
}

#[test]
fn a_session_of_a_server_moves_its_line_up_to_the_servers_while_a_query_spills() {
    let test =
        "settings::a_session_of_a_server_moves_its_line_up_to_the_servers_while_a_query_spills";
    in_cage(test, SERVERS_LINE, async || {
        // On a machine that has more.
        let server = Session::of_server(conf(), Machine::with_memory(64 << 30)).unwrap();
        let client = server.sibling().await.unwrap();
        let changes = CHANGES.into_iter().chain(TO_THE_SERVERS);
        changed_while_a_query_spills(&client, changes).await;
        assert_eq!(server.memory().line, SERVERS_LINE);
    });
}
