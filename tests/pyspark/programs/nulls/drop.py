"""na.drop of rows with any null, or only nulls."""


def program(spark):
    data = spark.createDataFrame([(1, "a"), (None, "b"), (None, None), (4, None)], "n int, s string")
    yield data.na.drop()
    yield data.dropna(how="all")
    yield data.na.drop("any").count()
