"""explode, explode_outer and posexplode of arrays."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, ["a", "b"]), (2, []), (3, None)], "id int, l array<string>")
    yield data.select("id", F.explode("l").alias("item"))
    yield data.select("id", F.explode_outer("l"))
    yield data.select("id", F.posexplode("l"))
    yield data.select("id", F.posexplode_outer("l").alias("at", "item"))
