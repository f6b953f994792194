"""A value that does not fit its declared type is refused."""


def program(spark):
    yield spark.createDataFrame([("1",)], "n string")
    yield spark.createDataFrame([("1",)], "n int")
