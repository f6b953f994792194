"""call_function and expr reach functions by name."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(4.0, "x")], ["n", "s"])
    yield data.select(F.call_function("sqrt", "n").alias("root"), F.expr("repeat(s, 3)").alias("text"))
