"""After a join on an expression, a name that both sides have is ambiguous."""


def program(spark):
    left = spark.createDataFrame([(1, "a")], ["id", "l"])
    right = spark.createDataFrame([(1, "b")], ["id", "r"])
    joined = left.join(right, left.id == right.id)
    yield joined.columns
    yield joined.drop(right.id)
    yield joined.select("id")
