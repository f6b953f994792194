"""Hints of every name, on DataFrames and in SQL, and hints that are on nothing: what comes out is the same."""

from pyspark.sql import functions as F


def program(spark):
    facts = spark.range(6).withColumn("key", F.col("id") % 3)
    names = spark.createDataFrame([(0, "zero"), (1, "one")], "key bigint, name string")
    for hint in ["broadcast", "BroadcastJoin", "MAPJOIN", "merge", "shuffle_merge", "mergejoin", "shuffle_hash", "shuffle_replicate_nl"]:
        yield facts.join(names.hint(hint), "key", "left")
    yield facts.hint("coalesce", 2).count()
    yield facts.hint("repartition", 2, "key").count()
    yield facts.hint("rebalance").count()
    yield facts.hint("no_such_hint", "facts").count()
    yield facts.alias("f").join(names.alias("n"), F.col("f.key") == F.col("n.key")).hint("broadcast", "n").select("id", "n.name")
    yield facts.join(names, "key").hint("broadcast", "nobody")
    for kind in ["left", "right", "full", "left_semi", "left_anti"]:
        yield facts.hint("broadcast").join(F.broadcast(names), "key", kind)
    yield F.broadcast(facts.groupBy("key").count()).join(names, "key")
    facts.createOrReplaceTempView("facts")
    names.createOrReplaceTempView("names")
    yield spark.sql("SELECT /*+ BROADCAST(n) */ f.id, n.name FROM facts f JOIN names n ON f.key = n.key")
    yield spark.sql("SELECT /*+ MAPJOIN(names), MERGE(f) */ id FROM facts f LEFT JOIN names USING (key)")
    yield spark.sql("SELECT /*+ broadcast(nobody) REBALANCE */ count(*) AS n FROM facts, names WHERE facts.key = names.key")
    yield spark.sql("SELECT id FROM facts WHERE key IN (SELECT /*+ BROADCAST(names) */ key FROM names)")
    spark.catalog.dropTempView("facts")
    spark.catalog.dropTempView("names")
