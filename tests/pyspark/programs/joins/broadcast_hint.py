"""Hints change how a join is done and not what comes out."""

from pyspark.sql import functions as F


def program(spark):
    facts = spark.range(6).withColumn("key", F.col("id") % 3)
    names = spark.createDataFrame([(0, "zero"), (1, "one")], "key bigint, name string")
    yield facts.join(F.broadcast(names), "key")
    yield facts.join(names.hint("broadcast"), "key", "left")
    yield facts.join(names.hint("merge"), "key").count()
