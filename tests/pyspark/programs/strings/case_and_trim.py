"""upper, lower, initcap and trimming."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("  hello World ",), ("ÉTÉ",), (None,)], ["s"])
    yield data.select(F.upper("s").alias("upper"), F.lower("s").alias("lower"), F.initcap("s").alias("title"))
    yield data.select(F.trim("s").alias("both"), F.ltrim("s").alias("left"), F.rtrim("s").alias("right"))
    yield data.select(F.trim("s", F.lit(" hd")).alias("chosen"))
