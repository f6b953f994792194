"""rand and randn with a seed stay within their bounds and repeat."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.range(20).select("id", F.rand(seed=5).alias("r"), F.randn(5).alias("n"))
    yield data.filter((data.r >= 0) & (data.r < 1)).count()
    yield data.collect() == data.collect()
    yield data.dtypes
