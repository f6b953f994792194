"""na.fill replaces NaN too, and a number keeps the column's type."""


def program(spark):
    data = spark.createDataFrame([(float("nan"), 1), (None, None), (2.0, 3)], "d double, n bigint")
    yield data.na.fill(0)
    yield data.na.fill(1.7)
