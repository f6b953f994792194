"""first and last of a sorted DataFrame in one partition, with nulls and without."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, None), (2, "b"), (3, "c"), (4, None)], "n int, s string").coalesce(1)
    yield data.agg(F.first("n"), F.first("s"), F.first("s", ignorenulls=True), F.last("n"), F.last("s", True))
