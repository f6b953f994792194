"""alias of a column and of a DataFrame."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.range(3)
    yield data.select(F.col("id").alias("number"), (data.id * 2).name("twice"))
    yield data.alias("t").select("t.id").filter("t.id > 0")
