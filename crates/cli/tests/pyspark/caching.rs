//! What is cached is read from the cache. That the rows are right is for the programs of `tests/pyspark/programs/cache`,
//! recorded from Spark; here it is counted.

use crate::serve::{Server, python};

/// `cache()` gives the line of `SHOW CACHE` about the only thing cached.
const PRELUDE: &str = r#"
from pyspark.sql import Window, functions as F
from pyspark import StorageLevel
spark = SparkSession.builder.remote(sys.argv[1]).create()

def cache():
    rows = spark.sql("SHOW CACHE").collect()
    assert len(rows) == 1, rows
    return rows[0]
"#;

fn run(server: &Server, program: &str) -> String {
    python(&server.remote, &format!("{PRELUDE}{program}"))
}

#[test]
fn what_was_cached_is_read_and_not_computed_again() {
    let server = Server::start(&["--report", "none"]);
    let told = run(
        &server,
        r#"
import tempfile
files = tempfile.mkdtemp() + "/files"
spark.range(100).write.parquet(files)
spark.range(5).createOrReplaceTempView("five")
people = lambda: spark.createDataFrame([(1, "Ada", [1, 2]), (2, None, [3])], "k long, name string, l array<int>")
relations = {
    "range": lambda: spark.range(10),
    "rows": people,
    "parquet": lambda: spark.read.parquet(files),
    "sql": lambda: spark.sql("SELECT id, upper('a') AS a FROM five"),
    "join using": lambda: spark.range(5).withColumnRenamed("id", "k").join(people(), "k"),
    "join with itself": lambda: people().alias("a").join(people().alias("b"), F.expr("a.k = b.k")),
    "groupBy": lambda: people().groupBy("name").agg(F.sum("k")),
    "pivot": lambda: people().groupBy("k").pivot("name").count(),
    "window": lambda: people().withColumn("r", F.row_number().over(Window.orderBy("k"))),
    "explode": lambda: people().select("k", F.explode("l")),
    "transform": lambda: people().select(F.transform("l", lambda x: x + 1)),
    "rand": lambda: spark.range(5).select(F.rand(42)),
    "rand without a seed": lambda frame=spark.range(5).select(F.rand()): frame,
    "sample": lambda: spark.range(100).sample(0.5, 1),
}
for name, make in relations.items():
    # The order of rows is nobody's business.
    rows = sorted(map(repr, make().cache().collect()))
    first = cache()
    same = sorted(map(repr, make().collect())) == rows
    again = cache()
    above = make().filter("1 = 1").limit(1000).count() == len(rows)
    then = cache()
    print("=", name, same, above, again.hits > first.hits, then.hits > again.hits, then.misses == first.misses,
        then.cachedPartitions == then.partitions > 0, then.rows == len(rows), then.recomputes)
    make().unpersist()
    print("=", name, spark.sql("SHOW CACHE").count())
"#,
    );
    let lines = told.lines().filter(|line| line.starts_with("= "));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 2 * 14, "{told}");
    for pair in lines.chunks(2) {
        assert!(
            pair[0].ends_with("True True True True True True True 0"),
            "{told}"
        );
        assert!(pair[1].ends_with(" 0"), "{told}");
    }
    server.end();
}

#[test]
fn the_plan_says_what_is_read_from_the_cache() {
    let server = Server::start(&["--report", "none"]);
    let told = run(
        &server,
        r#"
data = spark.range(10).withColumn("k", F.col("id") % 2)
def plan():
    return data.groupBy("k").count()._explain_string()
print("before", "CachedScanExec" in plan())
data.persist(StorageLevel.DISK_ONLY)
print("cached", "CachedScanExec: level=DISK_ONLY" in plan())
print("named", cache().name, cache().storageLevel, cache().cachedPartitions)
data.unpersist()
print("after", "CachedScanExec" in plan())
data.createOrReplaceTempView("numbers")
spark.catalog.cacheTable("numbers", StorageLevel.MEMORY_ONLY_2)
print("table", cache().name, cache().storageLevel)
spark.catalog.clearCache()
print("by name", spark.table("numbers").cache().count(), cache().name)
"#,
    );
    for line in [
        "before False",
        "cached True",
        "named DataFrame: range, withColumns DISK_ONLY 0",
        "after False",
        // PySpark's levels are serialized, and this is what Scala calls such a one.
        "table numbers MEMORY_ONLY_SER_2",
        "by name 10 numbers",
    ] {
        assert!(told.contains(line), "{line} is not in: {told}");
    }
    let (_, notices) = server.end();
    assert!(notices.contains("keeps one copy"), "{notices}");
}

#[test]
fn sessions_share_what_is_cached() {
    let server = Server::start(&["--report", "none"]);
    let told = run(
        &server,
        r#"
other = SparkSession.builder.remote(sys.argv[1]).create()
make = lambda session: session.createDataFrame([(n, n % 7) for n in range(1000)], "n long, k long").groupBy("k").count()
rows = make(spark).cache().collect()
print("cached", make(other).is_cached, sorted(make(other).collect()) == sorted(rows), cache().hits > 0)
# Who has cached it may be gone.
spark.stop()
spark = other
hits = cache().hits
print("still", make(other).is_cached, make(other).count(), cache().hits > hits)
other.catalog.clearCache()
print("cleared", make(other).is_cached, other.sql("SHOW CACHE").count())
"#,
    );
    for line in [
        "cached True True True",
        "still True 7 True",
        "cleared False 0",
    ] {
        assert!(told.contains(line), "{line} is not in: {told}");
    }
    server.end();
}

#[test]
fn sql_caches_at_once_and_lazily() {
    let server = Server::start(&["--report", "none"]);
    let told = run(
        &server,
        r#"
spark.range(1000).createOrReplaceTempView("numbers")
for statement in ["CACHE TABLE numbers", "CACHE LAZY TABLE numbers", "CACHE TABLE some AS SELECT * FROM numbers WHERE id < 10"]:
    rows = spark.sql(statement)
    print(statement, rows.columns, rows.collect(), cache().name, cache().rows)
    spark.sql("CLEAR CACHE")
# The command is not run again when its rows are asked for.
rows = spark.sql("CACHE TABLE numbers")
spark.sql("UNCACHE TABLE numbers")
print("again", rows.collect(), spark.catalog.isCached("numbers"))
"#,
    );
    for line in [
        "CACHE TABLE numbers [] [] numbers 1000",
        "CACHE LAZY TABLE numbers [] [] numbers 0",
        "WHERE id < 10 [] [] some 10",
        "again [] False",
    ] {
        assert!(told.contains(line), "{line} is not in: {told}");
    }
    server.end();
}

#[test]
fn a_seed_begins_anew_with_each_query_of_a_view() {
    let server = Server::start(&["--report", "none"]);
    let told = run(
        &server,
        r#"
spark.range(5).select(F.rand(42).alias("a"), F.rand(42).alias("b"), F.monotonically_increasing_id().alias("c")).createOrReplaceTempView("drawn")
first, second = spark.table("drawn").collect(), spark.table("drawn").collect()
print("same", first == second, [row.c for row in first], all(row.a == row.b for row in first), round(first[0].a, 6))
"#,
    );
    assert!(
        told.contains("same True [0, 1, 2, 3, 4] True 0.619189"),
        "{told}"
    );
    server.end();
}

#[test]
fn what_cannot_be_cached_is_computed_each_time() {
    let server = Server::start(&["--report", "none"]);
    let told = run(
        &server,
        r#"
steps = spark.sql("WITH RECURSIVE steps AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM steps WHERE n < 4) SELECT n FROM steps")
print("rows", steps.cache().count(), steps.is_cached, steps.unpersist().count())
"#,
    );
    assert!(told.contains("rows 4 False 4"), "{told}");
    let (_, notices) = server.end();
    assert!(notices.contains("cannot be cached"), "{notices}");
}
