"""from_csv and to_csv between text and structs."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("1,abc,0.5",), ("2,,",)], ["line"])
    parsed = data.select(F.from_csv("line", "n INT, s STRING, d DOUBLE").alias("row"))
    yield parsed
    yield parsed.select(F.to_csv("row").alias("line"))
