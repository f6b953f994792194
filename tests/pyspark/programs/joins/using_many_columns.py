"""USING several columns, which come first and once."""


def program(spark):
    left = spark.createDataFrame([("a", 1, 10), ("a", 2, 20), ("b", 1, 30)], ["k", "n", "left"])
    right = spark.createDataFrame([(1, "a", "x"), (1, "b", "y"), (9, "b", "z")], ["n", "k", "right"])
    yield left.join(right, ["k", "n"])
    yield left.join(right, ["k", "n"], "full")
