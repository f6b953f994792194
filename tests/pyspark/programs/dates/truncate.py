"""trunc of dates and date_trunc of timestamps."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(datetime.datetime(2024, 8, 15, 13, 45, 59),)], ["t"])
    yield data.select(
        F.trunc("t", "year").alias("year"), F.trunc("t", "MM").alias("month"), F.trunc("t", "week").alias("week")
    )
    yield data.select(
        *[F.date_trunc(unit, "t").alias(unit) for unit in ("year", "quarter", "month", "day", "hour", "minute")]
    )
