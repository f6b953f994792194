"""Null keys do not match, unless they are compared null-safely."""


def program(spark):
    left = spark.createDataFrame([(None, "a"), (1, "b")], "k int, l string")
    right = spark.createDataFrame([(None, "x"), (1, "y")], "k int, r string")
    yield left.join(right, left.k == right.k).select("l", "r")
    yield left.join(right, left.k.eqNullSafe(right.k)).select("l", "r")
