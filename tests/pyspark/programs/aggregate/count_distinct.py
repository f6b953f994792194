"""countDistinct of one and of several columns, and sum of distinct values."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1, 1), ("a", 1, 2), ("b", 2, 2), ("b", None, 2)], "k string, x int, y int")
    yield data.select(F.countDistinct("x"), F.count_distinct("x", "y").alias("pairs"), F.sum_distinct("y").alias("sum"))
    yield data.groupBy("k").agg(F.countDistinct("y").alias("ys"))
    yield data.select(F.approx_count_distinct("k").alias("about"))
