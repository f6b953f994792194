"""pivot with the values that are there, and with a list of values."""

from pyspark.sql import functions as F


def program(spark):
    rows = [("x", 2023, 1), ("x", 2024, 2), ("y", 2024, 3), ("x", 2024, 4)]
    data = spark.createDataFrame(rows, "k string, year int, v int")
    yield data.groupBy("k").pivot("year").sum("v")
    yield data.groupBy("k").pivot("year", [2024, 2025]).sum("v")
    yield data.groupBy("k").pivot("year", [2023, 2024]).agg(F.sum("v").alias("sum"), F.count("v").alias("n"))
