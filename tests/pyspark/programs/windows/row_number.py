"""row_number within a partition, and the first row of each."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 3), ("a", 1), ("b", 7), ("a", 2)], ["k", "v"])
    numbered = data.withColumn("row", F.row_number().over(Window.partitionBy("k").orderBy("v")))
    yield numbered
    yield numbered.filter("row = 1").drop("row")
