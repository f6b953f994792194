"""na.replace of one value, of several, and within some columns."""


def program(spark):
    data = spark.createDataFrame([(10, "Al"), (5, "Bob"), (None, None), (10, "x")], "age int, name string")
    yield data.na.replace(10, 20)
    yield data.replace(["Al", "Bob"], ["A", "B"], "name")
    yield data.na.replace({"x": None})
    yield data.replace({10: 11, 5: 6}, subset=["age"])
