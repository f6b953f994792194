"""typeof, and conversions that give null instead of failing."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame(
        [(1, "x", 2.5, [1], {"k": 1})], "i int, s string, d double, l array<int>, m map<string,int>"
    )
    yield data.select(*[F.typeof(name).alias(name) for name in data.columns])
    yield data.select(
        F.try_add(F.lit(2147483647), "i").alias("overflow"), F.try_to_number(F.lit("x1"), F.lit("99")).alias("number")
    )
