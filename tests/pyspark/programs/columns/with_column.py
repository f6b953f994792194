"""withColumn adds a column, or replaces the one of that name in its place."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(2, "x"), (5, "y")], "n int, s string")
    yield data.withColumn("double", data.n * 2).withColumn("constant", F.lit("k"))
    yield data.withColumn("n", F.col("n").cast("string"))
