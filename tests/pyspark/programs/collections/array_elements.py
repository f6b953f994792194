"""element_at counts from one, get from zero; slice."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([([10, 20, 30, 40],)], "a array<int>")
    yield data.select(
        F.element_at("a", 1).alias("first"), F.element_at("a", -1).alias("last"), F.get("a", F.lit(1)).alias("second")
    )
    yield data.select(
        F.slice("a", 2, 2).alias("middle"), F.slice("a", -2, 2).alias("end"), F.get("a", F.lit(9)).alias("none")
    )
    yield data.select(F.try_element_at("a", F.lit(9)).alias("none"))
