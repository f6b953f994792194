"""describe gives count, mean, deviation, least and greatest, as text."""

from outcomes import ordered


def program(spark):
    data = spark.createDataFrame([("Bob", 13, 40.0), ("Alice", 12, 36.0), ("Tom", 11, 44.0)], ["name", "age", "weight"])
    yield ordered(data.describe())
    yield ordered(data.describe("age"))
