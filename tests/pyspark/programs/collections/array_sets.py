"""array_union, array_intersect, array_except, array_distinct."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([([1, 2, 2, 3], [3, 4, None])], "a array<int>, b array<int>")
    yield data.select(
        F.array_union("a", "b").alias("union"),
        F.array_intersect("a", "b").alias("both"),
        F.array_except("a", "b").alias("rest"),
        F.array_distinct("a").alias("distinct"),
    )
