"""Grouping by expressions, by several columns, and by none with nulls as a group."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, "a"), (2, "b"), (3, None), (4, None)], "n int, k string")
    yield data.groupBy((data.n % 2).alias("odd")).count()
    yield data.groupBy("k").agg(F.sum("n").alias("n"))
    yield data.groupBy(data.k, F.col("n") > 2).count()
    yield data.groupBy(F.length("k").alias("length")).agg(F.max("n"))
