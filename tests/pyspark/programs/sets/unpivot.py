"""unpivot makes rows of columns."""


def program(spark):
    data = spark.createDataFrame([(1, 11, 12), (2, 21, None)], "id int, jan int, feb int")
    yield data.unpivot("id", ["jan", "feb"], "month", "value")
    yield data.melt(["id"], None, "month", "value")
