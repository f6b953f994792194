"""transform, filter, exists, forall, aggregate and zip_with take a function."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([([1, 2, 3, 4],)], "a array<int>")
    yield data.select(
        F.transform("a", lambda x: x * 10).alias("tens"), F.transform("a", lambda x, i: x + i).alias("shifted")
    )
    yield data.select(F.filter("a", lambda x: x % 2 == 0).alias("even"), F.exists("a", lambda x: x > 3).alias("any"))
    yield data.select(
        F.forall("a", lambda x: x > 1).alias("all"), F.aggregate("a", F.lit(0), lambda total, x: total + x).alias("sum")
    )
    yield data.select(F.zip_with("a", F.reverse("a"), lambda x, y: x * y).alias("products"))
