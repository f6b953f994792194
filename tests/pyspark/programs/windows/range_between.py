"""A frame by the distance of values."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1), ("a", 2), ("a", 4), ("b", 9)], "k string, t int")
    window = Window.partitionBy("k").orderBy("t").rangeBetween(-2, 0)
    yield data.select("k", "t", F.count("t").over(window).alias("n"), F.sum("t").over(window).alias("sum"))
