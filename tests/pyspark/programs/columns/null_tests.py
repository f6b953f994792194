"""isNull, isNotNull, isNaN and the comparison that holds null equal to null."""


def program(spark):
    data = spark.createDataFrame([(1.0, 1.0), (None, 1.0), (None, None), (float("nan"), 2.0)], "a double, b double")
    yield data.filter(data.a.isNull())
    yield data.filter(data.a.isNotNull())
    yield data.select(
        data.a.isNaN().alias("nan"), (data.a == data.b).alias("equal"), data.a.eqNullSafe(data.b).alias("same")
    )
