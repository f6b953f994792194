"""na.fill with a value for each column."""


def program(spark):
    data = spark.createDataFrame([(None, None, True), (1, "x", None)], "n int, s string, b boolean")
    yield data.na.fill({"n": 0, "s": "none"})
    yield data.fillna({"b": False})
