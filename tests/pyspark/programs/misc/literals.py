"""lit of every kind of Python value."""

import datetime
from decimal import Decimal

from pyspark.sql import functions as F


def program(spark):
    one = spark.range(1)
    yield one.select(
        F.lit(1).alias("i"),
        F.lit(2**40).alias("l"),
        F.lit(1.5).alias("d"),
        F.lit("s").alias("s"),
        F.lit(True).alias("b"),
        F.lit(None).alias("n"),
    )
    yield one.select(
        F.lit(datetime.date(2024, 1, 1)).alias("day"),
        F.lit(datetime.datetime(2024, 1, 1, 6)).alias("at"),
        F.lit(Decimal("1.20")).alias("m"),
    )
    yield one.select(
        F.lit([1, 2]).alias("list"), F.lit(b"ab").alias("bytes"), F.lit(datetime.timedelta(hours=30)).alias("took")
    )
