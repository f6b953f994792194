"""Sorting by columns, expressions and several directions."""

from pyspark.sql import functions as F

from outcomes import ordered


def program(spark):
    data = spark.createDataFrame([("a", 3), ("b", 1), ("a", 1), ("c", 2)], ["k", "v"])
    yield ordered(data.orderBy("k", "v"))
    yield ordered(data.orderBy(data.k.desc(), data.v.asc()))
    yield ordered(data.sort(F.desc("v"), "k"))
    yield ordered(data.orderBy(["v", "k"], ascending=[False, True]))
    yield ordered(data.orderBy(-data.v, data.k))
