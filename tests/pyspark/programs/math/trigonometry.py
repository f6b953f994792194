"""sin, cos, tan and their inverses."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(0.5,), (-1.0,)], ["x"])
    yield data.select(F.sin("x"), F.cos("x"), F.tan("x"), F.asin("x"), F.acos("x"), F.atan("x"))
    yield data.select(F.atan2("x", F.lit(2.0)).alias("atan2"), F.degrees("x"), F.radians("x"), F.hypot("x", F.lit(1.0)))
