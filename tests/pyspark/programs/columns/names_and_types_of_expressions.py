"""The names and types that expressions get when nobody names them."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, "x", 2.0)], "i int, s string, d double")
    chosen = data.select(data.i + 1, F.upper("s"), data.d * data.i, data.i.cast("string"), F.lit(5), data.i == 1)
    yield chosen.columns
    yield chosen.dtypes
    grouped = data.groupBy("s").agg(F.sum("i"), F.avg(data.d), F.count("*"))
    yield grouped.columns
