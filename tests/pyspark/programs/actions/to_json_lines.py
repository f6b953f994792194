"""Rows as JSON text, through to_json of all columns."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, "a"), (2, None)], ["n", "s"]).orderBy("n")
    yield [row.json for row in data.select(F.to_json(F.struct("*")).alias("json")).collect()]
