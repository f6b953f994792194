"""The types of sums and averages of decimals, integers and floats."""

from decimal import Decimal

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame(
        [(Decimal("1.10"), 1, 0.5), (Decimal("2.25"), 2, 0.25)], "d decimal(8,2), i smallint, f float"
    )
    yield data.agg(F.sum("d"), F.avg("d"), F.sum("i"), F.avg("i"), F.sum("f"), F.max("d"))
