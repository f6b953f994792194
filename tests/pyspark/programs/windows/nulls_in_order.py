"""Where nulls stand in the order of a window."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(2,), (None,), (1,)], "v int")
    yield data.select(
        "v",
        F.row_number().over(Window.orderBy("v")).alias("up"),
        F.row_number().over(Window.orderBy(F.desc("v"))).alias("down"),
    )
    yield data.select("v", F.row_number().over(Window.orderBy(F.asc_nulls_last("v"))).alias("last"))
