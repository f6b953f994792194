"""limit and offset of a sorted DataFrame."""

from outcomes import ordered


def program(spark):
    data = spark.range(10).orderBy("id", ascending=False)
    yield ordered(data.limit(3))
    yield ordered(data.offset(7))
    yield ordered(data.offset(2).limit(2))
    yield data.limit(0).count()
