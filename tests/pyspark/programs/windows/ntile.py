"""ntile, percent_rank and cume_dist."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.range(5)
    window = Window.orderBy("id")
    yield data.select("id", F.ntile(2).over(window).alias("half"), F.percent_rank().over(window).alias("rank"))
    yield data.select("id", F.cume_dist().over(window).alias("share"))
