"""round, bround, ceil, floor and rint of doubles and decimals."""

from decimal import Decimal

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(2.5, Decimal("2.345")), (-1.25, Decimal("-0.005"))], "x double, d decimal(6,3)")
    yield data.select(F.round("x"), F.round("x", 1), F.bround("x"), F.ceil("x"), F.floor("x"), F.rint("x"))
    yield data.select(F.round("d", 2), F.ceil("d"), F.floor("d"), F.round(F.lit(1250), -2).alias("hundreds"))
