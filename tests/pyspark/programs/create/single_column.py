"""Plain values with an atomic type make one column named value."""

from pyspark.sql.types import StringType


def program(spark):
    yield spark.createDataFrame([3, 1, 2], "int")
    yield spark.createDataFrame(["x", None], StringType())
