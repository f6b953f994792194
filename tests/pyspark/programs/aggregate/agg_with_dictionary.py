"""agg with a dictionary from column to function."""


def program(spark):
    data = spark.createDataFrame([("a", 1, 2), ("a", 3, 4), ("b", 5, 6)], ["k", "x", "y"])
    yield data.groupBy("k").agg({"x": "max", "y": "sum"})
    yield data.groupBy("k").agg({"*": "count"})
