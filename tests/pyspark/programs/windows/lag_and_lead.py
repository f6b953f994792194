"""lag and lead, with a distance and a default."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, 10), (2, 15), (3, 12)], ["day", "v"])
    window = Window.orderBy("day")
    yield data.select("day", F.lag("v").over(window).alias("before"), F.lead("v", 2).over(window).alias("after"))
    yield data.withColumn("change", data.v - F.lag("v", 1, 0).over(window))
