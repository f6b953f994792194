"""na.fill in some columns only."""


def program(spark):
    data = spark.createDataFrame([(None, None, None), (1, 2, 3)], "a int, b int, c int")
    yield data.na.fill(0, subset=["a", "c"])
    yield data.fillna(False).columns
    yield data.na.fill(7, "b")
