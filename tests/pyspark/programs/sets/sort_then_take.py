"""sort keeps its order through select, filter and limit."""

from outcomes import ordered


def program(spark):
    data = spark.createDataFrame([("x", 5), ("y", 1), ("z", 3), ("w", 4)], ["k", "v"])
    yield ordered(data.sort("v", ascending=False).select("k"))
    yield ordered(data.sort("v").filter("v > 1").limit(2))
    yield [row.k for row in data.sort("v").take(2)]
