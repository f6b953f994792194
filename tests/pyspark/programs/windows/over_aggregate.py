"""A window over groups: the share of each group in the whole."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1), ("a", 2), ("b", 5)], ["k", "v"])
    totals = data.groupBy("k").agg(F.sum("v").alias("v"))
    yield totals.withColumn("share", F.round(F.col("v") / F.sum("v").over(Window.partitionBy()), 3))
    yield totals.withColumn("place", F.row_number().over(Window.orderBy(F.desc("v"))))
