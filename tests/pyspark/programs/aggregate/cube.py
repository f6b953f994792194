"""cube adds subtotals for every subset of the columns."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", "x", 1), ("a", "y", 2), ("b", "x", 4)], ["p", "q", "v"])
    yield data.cube("p", "q").count()
    yield data.cube("p", "q").agg(F.grouping_id().alias("id"), F.sum("v").alias("v"))
