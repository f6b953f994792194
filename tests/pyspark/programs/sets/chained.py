"""Set operations after one another."""

from outcomes import ordered


def program(spark):
    low, high = spark.range(0, 6), spark.range(4, 9)
    yield ordered(low.union(high).distinct().orderBy("id").limit(7))
    yield low.unionAll(high).exceptAll(low.intersect(high))
