"""filter and where with columns, SQL text, and conditions joined by and, or, not."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, "a"), (2, "b"), (3, None), (4, "a")], "n int, s string")
    yield data.filter(data.n > 2)
    yield data.where("n % 2 = 0")
    yield data.filter((F.col("n") >= 2) & (F.col("s") == "a"))
    yield data.filter((F.col("n") == 1) | ~(F.col("s") == "a"))
