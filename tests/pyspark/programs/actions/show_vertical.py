"""show with a line a column."""

from outcomes import printed


def program(spark):
    data = spark.createDataFrame([(1, "Alice"), (2, "Bo")], ["id", "name"])
    yield printed(data.show, vertical=True)
    yield printed(data.show, 1, vertical=True)
