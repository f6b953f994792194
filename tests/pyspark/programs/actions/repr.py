"""The text of a DataFrame names its columns and their types."""


def program(spark):
    yield repr(spark.createDataFrame([(1, "a")], ["n", "s"]))
    yield str(spark.range(1))
