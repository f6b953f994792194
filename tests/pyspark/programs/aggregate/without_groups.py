"""Aggregates over a whole DataFrame, and over an empty one."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1,), (4,), (None,)], "n int")
    yield data.agg(F.count("n"), F.count("*"), F.sum("n"), F.avg("n"), F.min("n"), F.max("n"))
    yield data.select(F.sum("n").alias("total"))
    yield data.agg({"n": "max"})
    yield data.filter("n > 100").agg(F.count("*").alias("rows"), F.sum("n").alias("total"))
    yield data.groupBy().count()
