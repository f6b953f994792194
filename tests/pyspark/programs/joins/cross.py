"""crossJoin, and a join without a condition."""


def program(spark):
    sizes = spark.createDataFrame([("S",), ("L",)], ["size"])
    colors = spark.createDataFrame([("red",), ("blue",)], ["color"])
    yield sizes.crossJoin(colors)
    yield sizes.join(colors)
    yield sizes.join(colors, how="cross").count()
