"""rollup adds subtotals and a total; grouping tells them from nulls."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", "x", 1), ("a", "y", 2), ("b", "x", 4), ("b", None, 8)], ["p", "q", "v"])
    yield data.rollup("p", "q").sum("v")
    yield data.rollup("p").agg(F.grouping("p").alias("is_total"), F.sum("v").alias("v"))
