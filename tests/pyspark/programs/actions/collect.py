"""collect gives Rows, whose fields have names and places."""

from pyspark.sql import Row


def program(spark):
    data = spark.createDataFrame([(1, "a"), (2, "b")], ["n", "s"])
    rows = data.orderBy("n").collect()
    yield rows
    yield rows[0].s
    yield rows[1]["n"] + rows[1][0]
    yield rows[0].asDict()
    yield rows[0] == Row(n=1, s="a")
