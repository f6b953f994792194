"""cast and astype between numbers, strings, dates and booleans."""

from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType


def program(spark):
    data = spark.createDataFrame([("12", 3.99, True, "2024-02-29")], "s string, d double, b boolean, day string")
    yield data.select(
        data.s.cast("int").alias("int"),
        data.d.cast("bigint").alias("bigint"),
        data.b.cast("int").alias("flag"),
        data.day.cast("date").alias("date"),
        data.s.astype(DoubleType()).alias("double"),
        data.d.cast("decimal(5,1)").alias("decimal"),
        data.d.cast("string").alias("string"),
        F.col("day").cast("timestamp").alias("timestamp"),
    )
