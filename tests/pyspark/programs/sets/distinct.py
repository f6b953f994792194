"""distinct holds nulls equal."""


def program(spark):
    data = spark.createDataFrame([(1, None), (1, None), (2, "x"), (2, "y"), (2, "x")], "n int, s string")
    yield data.distinct()
    yield data.select("n").distinct()
    yield data.distinct().count()
