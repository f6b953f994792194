"""na.drop by how many columns have a value, and by chosen columns."""


def program(spark):
    data = spark.createDataFrame([(1, 2, 3), (1, None, 3), (None, None, 3), (None, None, None)], "a int, b int, c int")
    yield data.na.drop(thresh=2)
    yield data.na.drop(subset=["a"])
    yield data.dropna(how="all", subset=["a", "b"])
