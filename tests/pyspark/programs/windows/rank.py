"""rank leaves gaps after ties, dense_rank none."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 10), ("a", 10), ("a", 20), ("b", 5)], ["k", "v"])
    window = Window.partitionBy("k").orderBy(F.desc("v"))
    yield data.select("k", "v", F.rank().over(window).alias("rank"), F.dense_rank().over(window).alias("dense"))
