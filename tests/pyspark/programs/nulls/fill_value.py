"""na.fill with one value reaches the columns of its type."""


def program(spark):
    data = spark.createDataFrame(
        [(10, 80.5, "Al"), (5, None, None), (None, None, "Tim")], "age int, height double, name string"
    )
    yield data.na.fill(50)
    yield data.fillna("unknown")
    yield data.na.fill(1.9)
