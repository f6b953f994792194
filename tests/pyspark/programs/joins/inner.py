"""An inner join on an expression, and on a column that both have."""


def program(spark):
    left = spark.createDataFrame([(1, "a"), (2, "b"), (2, "c")], ["id", "l"])
    right = spark.createDataFrame([(2, "x"), (3, "y"), (2, "z")], ["id", "r"])
    yield left.join(right, left.id == right.id).select(left.id, "l", "r")
    yield left.join(right, "id")
    yield left.join(right, on="id", how="inner").count()
