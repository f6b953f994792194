"""withColumns takes several; all of them see the old ones."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, 10), (2, 20)], ["a", "b"])
    yield data.withColumns({"a": F.col("b"), "b": F.col("a"), "sum": F.col("a") + F.col("b")})
