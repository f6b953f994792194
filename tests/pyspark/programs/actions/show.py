"""show prints a table, right-aligned, with null written NULL."""

from outcomes import printed


def program(spark):
    data = spark.createDataFrame([(1, "Alice", 2.5), (20, None, None)], "id int, name string, score double")
    yield printed(data.show)
    yield printed(data.show, 1)
    yield printed(data.select("name").show)
