"""sort_array and array_sort differ in where nulls go."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([([3, None, 1, 2],)], "a array<int>")
    yield data.select(
        F.sort_array("a").alias("up"), F.sort_array("a", asc=False).alias("down"), F.array_sort("a").alias("sorted")
    )
    yield data.select(F.array_min("a").alias("least"), F.array_max("a").alias("most"), F.reverse("a").alias("reversed"))
