"""Lists, dictionaries and Rows in values become arrays, maps and structs."""

from pyspark.sql import Row


def program(spark):
    yield spark.createDataFrame([Row(id=1, tags=["a", "b"], sizes={"s": 1, "l": 3}, at=Row(x=0.5, y=1.5))])
    yield spark.createDataFrame(
        [(1, [[1, 2], [3]], [("k", 9)])], "id int, grid array<array<int>>, pairs array<struct<key:string,n:int>>"
    )
