"""coalesce, nvl, ifnull, nvl2 and nullif."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(None, 2), (3, None), (None, None), (5, 5)], "a int, b int")
    yield data.select(F.coalesce("a", "b", F.lit(0)).alias("first"), F.nvl("a", "b").alias("nvl"))
    yield data.select(F.nvl2("a", F.lit("there"), F.lit("not")).alias("a"), F.ifnull("b", "a").alias("b"))
    yield data.select(F.nullif("a", "b").alias("unequal"))
