"""An average over the rows around each row."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(n, float(n * n)) for n in range(5)], ["t", "v"])
    around = Window.orderBy("t").rowsBetween(-1, 1)
    yield data.select("t", F.avg("v").over(around).alias("mean"), F.count("v").over(around).alias("n"))
    yield data.select("t", F.max("v").over(Window.orderBy("t").rowsBetween(1, 2)).alias("next"))
