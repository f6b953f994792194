"""Filtering groups after they were made."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1), ("a", 2), ("b", 9), ("c", 1)], ["k", "v"])
    yield data.groupBy("k").count().filter("count > 1")
    yield data.groupBy("k").agg(F.sum("v").alias("total")).where(F.col("total") >= 3).select("k")
