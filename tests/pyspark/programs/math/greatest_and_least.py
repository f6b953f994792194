"""greatest and least of columns, which skip nulls."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, 4, 3), (None, 2, 1), (None, None, None)], "a int, b int, c int")
    yield data.select(F.greatest("a", "b", "c").alias("most"), F.least("a", "b", "c").alias("least"))
