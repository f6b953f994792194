"""toPandas: names, values and types of numbers."""


def program(spark):
    data = spark.createDataFrame([(1, 0.5, True, "a"), (2, 1.5, False, "b")], "n int, d double, b boolean, s string")
    frame = data.orderBy("n").toPandas()
    yield list(frame.columns)
    yield [str(frame[name].dtype) for name in ("n", "d", "b")]
    yield frame.values.tolist()
    yield spark.range(0).toPandas().shape
