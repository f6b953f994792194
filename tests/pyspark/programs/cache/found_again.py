"""What was cached is found by whoever writes the same again, with any operation in it."""

import datetime
import decimal

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark, path):
    spark.catalog.clearCache()
    spark.range(8).write.parquet(f"{path}/numbers")
    spark.range(6).createOrReplaceTempView("six")

    def people():
        rows = [(1, "Ada", 36.5, True), (2, None, None, False), (3, "Cy", float("nan"), None)]
        return spark.createDataFrame(rows, "k long, name string, age double, here boolean")

    def nested():
        rows = [([1, 2], {"a": 1}, (1, "x"), decimal.Decimal("1.50"), datetime.date(2024, 2, 29))]
        return spark.createDataFrame(
            rows, "l array<int>, m map<string,int>, s struct<a:int,b:string>, d decimal(5,2), t date"
        )

    numbers = lambda: spark.range(5).withColumnRenamed("id", "k")  # noqa: E731
    made = {
        "range": lambda: spark.range(3, 9, 2),
        "rows": people,
        "nested rows": nested,
        "many rows": lambda: spark.createDataFrame([(n, str(n)) for n in range(5000)], "n long, s string"),
        "parquet": lambda: spark.read.parquet(f"{path}/numbers"),
        "parquet with a schema": lambda: spark.read.schema("id long").format("parquet").load(f"{path}/numbers"),
        "table": lambda: spark.table("six").filter("id > 1"),
        "sql": lambda: spark.sql("SELECT id, id * 2 AS twice, upper('a') AS a FROM six WHERE id < 4"),
        "sql with parameters": lambda: spark.sql("SELECT id FROM six WHERE id < :most", args={"most": 3}),
        "select": lambda: people().select("name", F.upper("name").alias("loud"), F.length("name")),
        "withColumn": lambda: people().withColumn("older", F.col("age") + 1).withColumn("k", F.col("k") * 2),
        "filter": lambda: people().filter((F.col("age") > 30) & F.col("name").isNotNull()),
        "expr": lambda: numbers().select(F.expr("CASE WHEN k > 2 THEN 'many' ELSE concat('k', k) END AS c")),
        "when": lambda: numbers().select(F.when(F.col("k") > 2, "many").otherwise("few")),
        "dates": lambda: numbers().select(F.date_add(F.lit("2024-02-28"), F.col("k").cast("int")), F.lit(1.5)),
        "join on": lambda: numbers().alias("a").join(people().alias("b"), F.col("a.k") == F.col("b.k"), "left"),
        "join using": lambda: numbers().join(people(), "k", "left"),
        "join with itself": lambda: numbers().alias("a").join(numbers().alias("b"), F.expr("a.k = b.k + 1")),
        "cross join": lambda: numbers().crossJoin(people()),
        "semi join": lambda: numbers().join(people(), "k", "left_semi"),
        "union": lambda: numbers().union(spark.range(2)).unionByName(numbers()),
        "distinct": lambda: numbers().select((F.col("k") % 2).alias("odd")).distinct(),
        "dropDuplicates": lambda: numbers().withColumn("odd", F.col("k") % 2).select("odd").dropDuplicates(["odd"]),
        "groupBy": lambda: (
            numbers().groupBy((F.col("k") % 2).alias("odd")).agg(F.sum("k"), F.countDistinct("k"), F.avg("k"))
        ),
        "rollup": lambda: numbers().withColumn("odd", F.col("k") % 2).rollup("odd").agg(F.max("k")),
        "pivot": lambda: numbers().groupBy((F.col("k") % 2).alias("odd")).pivot("k").count(),
        "window": lambda: numbers().select(
            "k", F.sum("k").over(Window.partitionBy(F.col("k") % 2).orderBy("k").rowsBetween(-1, 0))
        ),
        "orderBy": lambda: numbers().orderBy(F.desc("k")).limit(3),
        "offset": lambda: numbers().orderBy("k").offset(1).limit(2),
        "explode": lambda: nested().select(F.explode("l").alias("e"), "d"),
        "posexplode": lambda: nested().select(F.posexplode("m"), F.col("s.b")),
        "transform": lambda: nested().select(F.transform("l", lambda x: x + 1).alias("l")),
        "transform with positions": lambda: nested().select(F.transform("l", lambda x, i: x * i)),
        "aggregate": lambda: nested().select(F.aggregate("l", F.lit(0), lambda sum, x: sum + x, lambda sum: sum * 2)),
        "lambdas in lambdas": lambda: nested().select(
            F.transform("l", lambda x: F.aggregate(F.filter("l", lambda y: y < x), x, lambda s, y: s + y))
        ),
        "lambda in text": lambda: nested().select(F.expr("filter(l, x -> x > 1) AS l")),
        "map_filter": lambda: nested().select(F.map_filter("m", lambda k, v: (k == "a") & (v > 0))),
        "rand": lambda: numbers().select(F.rand(42).alias("r"), F.randn(7)),
        "sample": lambda: numbers().sample(0.5, 3),
        "randomSplit": lambda: numbers().randomSplit([0.5, 0.5], seed=3)[1],
        "monotonically_increasing_id": lambda: numbers().coalesce(1).select(F.monotonically_increasing_id().alias("i")),
        "na": lambda: people().na.fill({"name": "nobody"}).na.drop(subset=["k"]),
        "unpivot": lambda: numbers().withColumn("j", F.col("k")).unpivot(["k"], ["j"], "variable", "value"),
        "describe": lambda: people().describe("age"),
        "subquery": lambda: numbers().filter(F.col("k") > spark.range(3).select(F.avg("id")).scalar()),
        "drop and rename": lambda: people().drop("here").toDF("a", "b", "c"),
        "hash": lambda: numbers().select(F.hash("k"), F.sha2(F.col("k").cast("string"), 256), F.xxhash64("k")),
        "json": lambda: people().select(F.to_json(F.struct("k", "name")).alias("j")),
    }
    for name, make in made.items():
        cached = make().cache()
        before = sorted(map(repr, cached.collect()))
        again = sorted(map(repr, make().collect()))
        yield name, make().is_cached, before == again
        make().unpersist()
        yield cached.is_cached
