"""intersect without duplicates, intersectAll with."""


def program(spark):
    one = spark.createDataFrame([("a", 1), ("a", 1), ("b", 3), ("c", 4)], ["k", "v"])
    two = spark.createDataFrame([("a", 1), ("a", 1), ("b", 3), ("b", 3)], ["k", "v"])
    yield one.intersect(two)
    yield one.intersectAll(two)
