"""max_by and min_by give a column where another is greatest or least."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", "x", 1), ("a", "y", 5), ("b", "z", 3)], ["k", "name", "v"])
    yield data.groupBy("k").agg(F.max_by("name", "v").alias("most"), F.min_by("name", "v").alias("least"))
