"""size, array_contains, array_position and arrays_overlap."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([([1, 2, 2], [2, 3]), ([], [1]), (None, [1])], "a array<int>, b array<int>")
    yield data.select(F.size("a"), F.array_contains("a", 2).alias("has"), F.array_position("a", 2).alias("at"))
    yield data.select(
        F.arrays_overlap("a", "b").alias("overlap"), F.cardinality("b").alias("n"), F.array_size("a").alias("size")
    )
