"""Counts and sums of what meets a condition."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1), ("a", -2), ("b", 3), ("b", None)], "k string, v int")
    yield data.groupBy("k").agg(
        F.sum(F.when(data.v > 0, data.v).otherwise(0)).alias("positive"),
        F.count_if(data.v.isNull()).alias("nulls"),
        F.bool_and(data.v > 0).alias("all_positive"),
        F.bool_or(data.v > 0).alias("any_positive"),
    )
