"""DataFrames united in a loop, and a table looked up for what is new."""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def program(spark):
    months = [spark.range(n).withColumn("month", F.lit(n)) for n in (1, 2, 3)]
    everything = reduce(DataFrame.unionByName, months)
    yield everything
    yield everything.select("id").distinct().subtract(months[0].select("id"))
