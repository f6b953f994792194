"""A full outer join; with USING the key is from the side that has one."""


def program(spark):
    left = spark.createDataFrame([(1, "a"), (2, "b"), (None, "n")], "id int, l string")
    right = spark.createDataFrame([(2, "x"), (3, "y"), (None, "m")], "id int, r string")
    yield left.join(right, "id", "outer")
    yield left.join(right, left.id == right.id, "full").select(left.id.alias("i"), right.id.alias("j"), "l", "r")
