"""first_value, last_value and nth_value over frames."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, None), (2, "b"), (3, "c"), (4, None)], "t int, s string")
    window = Window.orderBy("t")
    whole = window.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    yield data.select("t", F.first_value("s").over(whole).alias("first"), F.last_value("t").over(whole).alias("last"))
    yield data.select(
        "t",
        F.last("s", ignorenulls=True).over(window).alias("filled"),
        F.nth_value("s", 2).over(window).alias("second"),
    )
