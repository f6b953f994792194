"""year, month, dayofmonth and the other parts of a date."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(datetime.date(2024, 2, 29),), (datetime.date(2023, 1, 1),), (None,)], "d date")
    yield data.select(F.year("d"), F.quarter("d"), F.month("d"), F.dayofmonth("d"), F.weekofyear("d"))
    yield data.select(
        F.dayofweek("d"), F.dayofyear("d"), F.weekday("d"), F.last_day("d"), F.dayname("d"), F.monthname("d")
    )
