"""if, nullif and decode in SQL, and when with values of two types."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, "a"), (5, "b"), (None, None)], "n int, s string")
    yield data.selectExpr("if(n > 2, 'large', 'small') AS size", "nullif(s, 'a') AS not_a", "coalesce(n, -1) AS n")
    yield data.select(F.expr("decode(n, 1, 'one', 5, 'five', 'other')").alias("word"))
    yield data.select(F.when(data.s == "a", F.lit(1.5)).when(data.s == "b", data.n).alias("mixed"))
