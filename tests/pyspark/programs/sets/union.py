"""union goes by position and keeps duplicates."""


def program(spark):
    one = spark.createDataFrame([(1, "a"), (2, "b")], "n int, s string")
    two = spark.createDataFrame([(2, "b"), (3, "c")], "m bigint, t string")
    yield one.union(two)
    yield one.unionAll(one).count()
    yield one.union(two).distinct()
