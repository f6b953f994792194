"""Nulls come first going up and last going down, unless said otherwise."""

from outcomes import ordered


def program(spark):
    data = spark.createDataFrame([(2,), (None,), (1,)], "n int")
    yield ordered(data.orderBy("n"))
    yield ordered(data.orderBy(data.n.desc()))
    yield ordered(data.orderBy(data.n.asc_nulls_last()))
    yield ordered(data.orderBy(data.n.desc_nulls_first()))
