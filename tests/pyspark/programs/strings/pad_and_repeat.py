"""lpad, rpad and repeat, and space in SQL."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("ab",), ("abcdef",), (None,)], ["s"])
    yield data.select(
        F.lpad("s", 4, "*").alias("left"), F.rpad("s", 4, "xy").alias("right"), F.repeat("s", 2).alias("twice")
    )
    yield data.limit(1).select(F.concat(F.lit("["), F.expr("space(3)"), F.lit("]")).alias("blank"))
