"""drop by name and by column; a name that is not there is no error."""


def program(spark):
    data = spark.createDataFrame([(1, 2, 3)], ["a", "b", "c"])
    yield data.drop("b")
    yield data.drop("a", "no_such", "c")
    yield data.drop(data.c)
