"""summary gives quartiles too, or what is asked for."""

from outcomes import ordered


def program(spark):
    data = spark.createDataFrame([("Bob", 13, 40.0), ("Alice", 12, 36.0), ("Tom", 11, 44.0)], ["name", "age", "weight"])
    yield ordered(data.summary())
    yield ordered(data.select("age").summary("count", "min", "75%", "max"))
