"""concat gives null for null, concat_ws leaves nulls out."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", "b", 1), ("a", None, 2)], "x string, y string, n int")
    yield data.select(F.concat("x", "y").alias("concat"), F.concat_ws("-", "x", "y", "n").alias("joined"))
    yield data.select(F.concat(F.col("x"), F.lit("="), F.col("n")).alias("text"))
    yield data.select(F.concat_ws(",", F.array("x", "y")).alias("list"))
