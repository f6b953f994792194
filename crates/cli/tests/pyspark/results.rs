//! What a client gets at once, and what it gets bit by bit: `spark.driver.maxResultSize`, `limit` and `toLocalIterator`.

use std::fs;
use std::process::{Command, Stdio};

use crate::environment::{PYSPARK, PYSPARK_CLIENT};
use crate::serve::{Server, python};

/// What `plimsoll run` makes of a script: what it printed, and what was told beside.
fn run(interpreter: &std::path::Path, options: &[&str], script: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let job = directory.path().join("job.py");
    fs::write(&job, script).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["run", "--memory", "1g"])
        .args(options)
        .arg(job)
        .env("PYSPARK_PYTHON", interpreter)
        .env("SPARK_LOCAL_DIRS", directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// How each way to have all rows ends, past the limit.
const REFUSED: &str = r#"
from pyspark.errors.exceptions.connect import SparkException
def refused(name, get):
    try:
        print(name, "came", get())
    except SparkException as error:
        words = str(error)
        begins = words.startswith("Job aborted due to stage failure: Total size of serialized results of ")
        print(name, type(error).__name__, begins, ") is bigger than spark.driver.maxResultSize (1024.0 KiB). About " in words,
            error.getCondition(), error.getSqlState(), "limit(" in words)
    assert spark.range(3).count() == 3
"#;

/// 1.6 MB that do not compress.
const NUMBERS: &str = "numbers = spark.range(200_000).selectExpr('xxhash64(id) AS n')\n";

#[test]
fn all_rows_at_once_are_refused_past_the_limit_and_one_after_the_other_never() {
    let script = format!(
        r#"
from pyspark.sql import SparkSession
spark = SparkSession.builder.config("spark.driver.maxResultSize", "1m").getOrCreate()
{NUMBERS}{REFUSED}
refused("collect", lambda: len(numbers.collect()))
refused("toPandas", lambda: len(numbers.toPandas()))
refused("toArrow", lambda: len(numbers.toArrow()))
refused("tail", lambda: len(numbers.tail(180_000)))
print("iterated", sum(1 for _ in numbers.toLocalIterator()), sum(1 for _ in numbers.toLocalIterator(True)))

# The mark of one call is not another's, in this thread or in others.
half = numbers.toLocalIterator()
next(half)
refused("meanwhile", lambda: len(numbers.collect()))
from concurrent.futures import ThreadPoolExecutor
def one(at):
    if at % 2:
        return sum(1 for _ in numbers.toLocalIterator()) == 200_000
    try:
        numbers.collect()
    except SparkException:
        return True
with ThreadPoolExecutor(6) as pool:
    print("at once", all(pool.map(one, range(8))))
print("rest", sum(1 for _ in half))

spark.conf.set("spark.driver.maxResultSize", "64m")
print("more", len(numbers.collect()))
spark.conf.set("spark.driver.maxResultSize", "1m")
refused("less", lambda: len(numbers.collect()))
spark.conf.set("spark.driver.maxResultSize", "0")
print("unlimited", len(numbers.toPandas()))
"#
    );
    for interpreter in [&*PYSPARK, &*PYSPARK_CLIENT] {
        let (told, errors) = run(interpreter, &["--report", "none"], &script);
        let lines: Vec<&str> = told.lines().collect();
        let refused = |name: &str| format!("{name} SparkException True True None None True");
        assert_eq!(
            lines,
            [
                &refused("collect"),
                &refused("toPandas"),
                &refused("toArrow"),
                &refused("tail"),
                "iterated 200000 200000",
                &refused("meanwhile"),
                "at once True",
                "rest 199999",
                "more 200000",
                &refused("less"),
                "unlimited 200000",
            ],
            "{errors}"
        );
    }
}

#[test]
fn what_a_stock_client_iterates_over_is_bounded_as_in_sparks_own_server() {
    let server = Server::start(&["--report", "none"]);
    let told = python(
        &server.remote,
        &format!(
            r#"
spark = SparkSession.builder.remote(sys.argv[1]).config("spark.driver.maxResultSize", "1m").create()
{NUMBERS}{REFUSED}
refused("iterated", lambda: sum(1 for _ in numbers.toLocalIterator()))
"#
        ),
    );
    assert!(
        told.contains("iterated SparkException True True None None True"),
        "{told}"
    );
    server.end();
}

#[test]
fn rows_are_counted_as_they_are_sent() {
    let server = Server::start(&["--report", "none"]);
    let told = python(
        &server.remote,
        r#"
spark = SparkSession.builder.remote(sys.argv[1]).config("spark.driver.maxResultSize", "1m").create()
same = spark.range(200_000).selectExpr("'sixteen letters!' AS s", "id % 3 AS n", "cast(NULL AS int) AS i")
codec = "spark.sql.execution.arrow.compression.codec"
def collect():
    try:
        rows = same.collect()
        return len(rows), rows[4].asDict() == {"s": "sixteen letters!", "n": 1, "i": None}
    except Exception as error:
        return type(error).__name__, "maxResultSize" in str(error)
print("default", spark.conf.get(codec), *collect())
for value in ["zstd", "lz4", "none", "snappy"]:
    spark.conf.set(codec, value)
    print(value, *collect())
"#,
    );
    for line in [
        "default lz4 200000 True",
        "zstd 200000 True",
        "lz4 200000 True",
        "none SparkException True",
        "snappy IllegalArgumentException False",
    ] {
        assert!(
            told.lines().any(|told| told == line),
            "{line} is not in: {told}"
        );
    }
    server.end();
}

#[test]
fn the_first_rows_are_had_without_the_others() {
    let script = r#"
import sys
import pyarrow as pa, pyarrow.parquet as pq
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
pq.write_table(pa.table({"id": range(2_000_000)}), "TABLE", row_group_size=10_000)
for df in [spark.range(1_000_000_000), spark.read.parquet("TABLE"), spark.sql("SELECT id FROM range(1000000000)")]:
    print(len(df.limit(1000).collect()), len(df.take(10)), df.head().id is not None, len(df.head(5)), df.first().id is not None,
        len(df.limit(1000).toPandas()), df.isEmpty(), len(df.where("id % 3 = 0").limit(1000).collect()))
    df.show()
"#;
    let directory = tempfile::tempdir().unwrap();
    let table = directory
        .path()
        .join("groups.parquet")
        .display()
        .to_string();
    let script = script.replace("TABLE", &table);
    let (told, errors) = run(&PYSPARK_CLIENT, &["--report", "json"], &script);
    let right = told
        .lines()
        .filter(|line| *line == "1000 10 True 5 True 1000 False 1000");
    assert_eq!(right.count(), 3, "{told}{errors}");
    assert_eq!(
        told.matches("only showing top 20 rows").count(),
        3,
        "{told}"
    );
    let report: serde_json::Value = serde_json::from_str(errors.lines().last().unwrap()).unwrap();
    let queries = report["queries"].as_array().unwrap();
    assert!(queries.len() >= 3 * 9, "{report}");
    for query in queries {
        let scanned = query["rows_scanned"].as_u64().unwrap();
        // What `show` prints is read by a query of its own.
        let is_shown = query["sql"].as_str().unwrap().ends_with(", show");
        assert!(scanned <= 300_000 && (scanned > 0 || is_shown), "{query}");
    }
}
