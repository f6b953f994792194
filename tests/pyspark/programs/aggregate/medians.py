"""median, percentile and mode."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1), ("a", 2), ("a", 2), ("a", 10), ("b", 5)], ["k", "v"])
    yield data.groupBy("k").agg(
        F.median("v").alias("median"), F.percentile("v", 0.25).alias("quarter"), F.mode("v").alias("mode")
    )
