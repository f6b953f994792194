"""Aggregates over a whole partition beside each of its rows."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1), ("a", 3), ("b", 6)], ["k", "v"])
    window = Window.partitionBy("k")
    yield data.withColumn("share", F.col("v") / F.sum("v").over(window)).withColumn("most", F.max("v").over(window))
    yield data.filter("v > 0").select("v", F.sum("v").over(Window.partitionBy()).alias("total"))
