"""format_string and format_number."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("ham", 3, 1234567.891)], "s string, n int, x double")
    yield data.select(
        F.format_string("%s: %d", "s", "n").alias("plain"),
        F.format_string("%05d|%-5s|%.2f", "n", "s", "x").alias("padded"),
        F.format_number("x", 2).alias("number"),
        F.format_number("n", 0).alias("whole"),
    )
