"""try_cast gives null where cast would fail."""


def program(spark):
    data = spark.createDataFrame([("12",), ("twelve",), (None,)], ["s"])
    yield data.select("s", data.s.try_cast("int").alias("n"))
