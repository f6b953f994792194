"""array, array_repeat and sequence."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, 4)], "a int, b int")
    yield data.select(F.array("a", "b").alias("pair"), F.array().alias("empty"), F.array_repeat("a", 3).alias("thrice"))
    yield data.select(F.sequence("a", "b").alias("up"), F.sequence("b", "a", F.lit(-2)).alias("down"))
