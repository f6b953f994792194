//! A script with the settings that people have in theirs, and what each of them does to the engine.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use plimsoll_conf::{Conf, Machine};
use plimsoll_connect::{Engine, Server};
use plimsoll_driver::{Error, Session};
use plimsoll_memory::MemoryMode;

use crate::environment::{PYSPARK, PYSPARK_CLIENT, root};

/// The lines are a user's; `step` alone is the test's, which looks at the engine meanwhile.
const SCRIPT: &str = r#"
from pyspark.sql import SparkSession

def step(name):
    print(name, flush=True)
    input()

spark = SparkSession.builder.master("local[*]").appName("job").config("spark.driver.memory", "4g").config("spark.driver.maxResultSize", "2g").getOrCreate()
step("built")
spark.sparkContext.setLogLevel("WARN")
spark.conf.set("spark.memory.storageFraction", "0.6")
step("storageFraction")
spark.conf.set("spark.executor.memory", "12g")
step("executor.memory")
spark.conf.set("spark.sql.shuffle.partitions", "400")
spark.conf.set("spark.sql.inMemoryColumnarStorage.hugeVectorReserveRatio", "1.5")
step("shuffle.partitions")
df = spark.range(1_000_000)
rows = df.limit(1000).collect()
print("rows", len(rows), rows[-1].id)
step("collected")
for key in ["spark.driver.memory", "spark.executor.memory", "spark.memory.storageFraction", "spark.sql.shuffle.partitions"]:
    print(key, spark.conf.get(key), spark.conf.isModifiable(key))
print(spark.sparkContext.appName, spark.sparkContext.defaultParallelism > 0, spark.sparkContext.uiWebUrl)
print("broadcast", spark.sparkContext.broadcast([1, 2]).value)
step("read back")
import re
spark.conf.set("spark.memory.fraction", "0.002")
side = "SELECT id AS k, repeat(CAST(id AS STRING), 30) AS s FROM range(200000)"
for partitions in [3, 6]:
    spark.conf.set("spark.sql.shuffle.partitions", partitions)
    measured = spark.sql(f"EXPLAIN ANALYZE SELECT length(concat(a.s, b.s)) FROM ({side}) a JOIN ({side}) b ON a.k = b.k").collect()
    text = "\n".join(str(value) for row in measured for value in row)
    print("spilled", partitions, re.findall(r"HybridHashJoinExec.*?[ ,]partitions=(\d+)", text))
spark.conf.set("spark.memory.fraction", "0.6")
step("spilled")
spark.conf.set("spark.executor.memory", "64g")
print("clamped", spark.conf.get("spark.executor.memory"))
spark.conf.set("spark.driver.maxResultSize", "1m")
step("clamped")
try:
    df.collect()
except Exception as error:
    print("too large", "bigger than spark.driver.maxResultSize" in str(error), "limit" in str(error))
spark.stop()
step("stopped")
"#;

const GIB: u64 = 1 << 30;

struct Siblings(Arc<Session>);

#[async_trait]
impl Engine for Siblings {
    async fn open(&self) -> Result<Arc<Session>, Error> {
        self.0.sibling().await.map(Arc::new)
    }
}

/// Sizes of the pools: all, and the storage region in it.
fn sizes(session: &Session) -> (u64, u64) {
    let pools = session.unified_memory().pools(MemoryMode::OnHeap);
    (
        pools.execution + pools.storage,
        session.layout().executor.storage_region.bytes,
    )
}

/// Spark's arithmetic.
fn unified(heap: u64) -> u64 {
    ((heap - (300 << 20)) as f64 * 0.6) as u64
}

fn share(of: u64, fraction: f64) -> u64 {
    (of as f64 * fraction) as u64
}

fn each_setting_does_what_it_says(python: &Path) {
    let mut machine = Machine::detect().unwrap();
    machine.physical_memory = 32 * GIB;
    machine.container = None;
    let session = Arc::new(Session::new(Conf::default(), machine, vec![]).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = Arc::new(Siblings(Arc::clone(&session)));
    let server = runtime
        .block_on(Server::bind(
            "127.0.0.1:0".parse().unwrap(),
            Some("token".into()),
            engine,
        ))
        .unwrap();
    let address = server.local_addr();
    runtime.spawn(server.serve(std::future::pending()));

    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("job.py");
    std::fs::write(&script, SCRIPT).unwrap();
    let mut process = Command::new(python)
        .arg(root().join("crates/connect/python/launcher.py"))
        .arg(&script)
        .env("PLIMSOLL_REMOTE", format!("sc://{address}"))
        .env("PLIMSOLL_TOKEN", "token")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
    // What the script says up to the step, and then leave to go on.
    let mut until = |step: &str| {
        let mut told = String::new();
        for line in stdout.by_ref() {
            let line = line.unwrap();
            if line == step {
                return told;
            }
            told.push_str(&line);
            told.push('\n');
        }
        panic!("the script ended before {step}: {told}");
    };
    let mut go_on = || writeln!(stdin).unwrap();

    // Before the script: Spark's defaults.
    assert_eq!(sizes(&session), (unified(GIB), share(unified(GIB), 0.5)));
    until("built");
    assert_eq!(
        session.layout().line.bytes,
        4 * GIB,
        "the driver's heap is the pool"
    );
    assert_eq!(
        sizes(&session),
        (unified(4 * GIB), share(unified(4 * GIB), 0.5))
    );
    go_on();
    until("storageFraction");
    assert_eq!(
        sizes(&session),
        (unified(4 * GIB), share(unified(4 * GIB), 0.6))
    );
    go_on();
    until("executor.memory");
    assert_eq!(session.layout().line.bytes, 16 * GIB);
    assert_eq!(
        sizes(&session),
        (unified(12 * GIB), share(unified(12 * GIB), 0.6))
    );
    go_on();
    until("shuffle.partitions");
    assert_eq!(
        sizes(&session),
        (unified(12 * GIB), share(unified(12 * GIB), 0.6))
    );
    go_on();
    assert_eq!(until("collected"), "rows 1000 999\n");
    // The scan was stopped, and nothing is held.
    assert_eq!(
        session
            .unified_memory()
            .pools(MemoryMode::OnHeap)
            .execution_used,
        0
    );
    go_on();
    let told = until("read back");
    for line in [
        "spark.driver.memory 4g True",
        "spark.executor.memory 12g True",
        "spark.memory.storageFraction 0.6 True",
        "spark.sql.shuffle.partitions 400 True",
        "job True None",
        "broadcast [1, 2]",
    ] {
        assert!(told.contains(line), "{line} is not in: {told}");
    }
    go_on();
    let told = until("spilled");
    assert!(is_twice_as_many(&told), "{told}");
    go_on();
    let told = until("clamped");
    assert_eq!(
        session.layout().line.bytes,
        32 * GIB,
        "no more than the machine has"
    );
    assert!(
        told.contains(&format!("clamped {}k", (28 * GIB) >> 10)),
        "{told}"
    );
    assert_eq!(
        sizes(&session),
        (unified(28 * GIB), share(unified(28 * GIB), 0.6))
    );
    go_on();
    let told = until("stopped");
    assert!(told.contains("too large True True"), "{told}");
    go_on();
    let output = process.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    // Both numbers of what was lowered, and what has no effect, as warnings of the client.
    assert!(
        errors.contains("64 GiB") && errors.contains("28 GiB"),
        "{errors}"
    );
    assert!(
        errors.contains("spark.sql.inMemoryColumnarStorage.hugeVectorReserveRatio"),
        "{errors}"
    );
    // Old and new of each that was changed; what the builder set was there from the beginning.
    for told in [
        "spark.memory.storageFraction = 0.6: storage region: ",
        "spark.executor.memory = 12g: the line: 4 GiB -> 16 GiB; the driver's part: ",
        "spark.sql.shuffle.partitions: 200 -> 400",
        "spark.memory.fraction = 0.002: unified memory: ",
        "spark.driver.maxResultSize: 2g -> 1m",
    ] {
        assert!(errors.contains(told), "{told} is not in: {errors}");
    }
    assert!(!errors.contains("spark.driver.memory = 4g"), "{errors}");
}

/// Whether the join that was told to aim for 6 partitions spilled to twice as many as the one told 3: each thread has
/// so many.
fn is_twice_as_many(told: &str) -> bool {
    let partitions = |of: &str| -> Option<u64> {
        let line = told.lines().find_map(|line| line.strip_prefix(of))?;
        line.trim_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .ok()
    };
    let (three, six) = (partitions("spilled 3 "), partitions("spilled 6 "));
    three.is_some_and(|three| three > 0) && three.map(|three| 2 * three) == six
}

#[test]
fn each_setting_does_what_it_says_with_pyspark() {
    each_setting_does_what_it_says(&PYSPARK);
}

#[test]
fn each_setting_does_what_it_says_with_the_client_alone() {
    each_setting_does_what_it_says(&PYSPARK_CLIENT);
}
