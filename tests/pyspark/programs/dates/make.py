"""make_date and make_timestamp from numbers."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(2024, 2, 29)], ["y", "m", "d"])
    yield data.select(
        F.make_date("y", "m", "d").alias("day"),
        F.make_timestamp("y", "m", "d", F.lit(1), F.lit(2), F.lit(3.5)).alias("time"),
    )
