"""An empty DataFrame has the columns of its schema."""


def program(spark):
    empty = spark.createDataFrame([], "id long, name string")
    yield empty
    yield empty.isEmpty()
    yield empty.columns
