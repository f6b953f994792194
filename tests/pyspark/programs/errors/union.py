"""Union of different numbers of columns, and of types with nothing in common."""

from outcomes import raised


def program(spark):
    one = spark.createDataFrame([(1, 2)], ["a", "b"])
    yield raised(lambda: one.union(spark.range(1)).schema)
    one.select("a").union(spark.createDataFrame([([1],)], ["l"])).schema
