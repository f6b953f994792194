"""Functions and operators over types that they do not take."""

from pyspark.sql import functions as F

from outcomes import raised


def program(spark):
    data = spark.createDataFrame([(1, [1], True)], "n int, l array<int>, b boolean")
    yield raised(lambda: data.select(data.l + 1).schema)
    yield raised(lambda: data.filter(data.n + 1).collect())
    yield raised(lambda: data.select(F.explode("n")).schema)
    yield raised(lambda: data.select(data.b.cast("date")).schema)
    data.select(F.sum("l")).schema
