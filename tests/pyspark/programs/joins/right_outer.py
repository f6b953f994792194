"""A right outer join; with USING the key is that of the right side."""


def program(spark):
    left = spark.createDataFrame([(1, "a"), (2, "b")], "id int, l string")
    right = spark.createDataFrame([(2, "x"), (3, "y")], "id int, r string")
    yield left.join(right, "id", "right")
    yield left.join(right, left.id == right.id, "rightouter")
