"""A sum from the start to the current row, by rows and by default."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1, 5), ("a", 2, 7), ("a", 2, 1), ("b", 1, 3)], ["k", "t", "v"])
    by_default = Window.partitionBy("k").orderBy("t")
    by_rows = Window.partitionBy("k").orderBy("t", "v").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    yield data.select("k", "t", "v", F.sum("v").over(by_default).alias("sum"))
    yield data.select("k", "t", "v", F.sum("v").over(by_rows).alias("sum"))
