"""Days grouped by the month that they are in."""

import datetime

from pyspark.sql import functions as F

from outcomes import ordered


def program(spark):
    rows = [(datetime.date(2024, month, day), month * day) for month in (1, 2, 3) for day in (5, 20)]
    data = spark.createDataFrame(rows, "d date, n int")
    yield ordered(data.groupBy(F.date_trunc("month", "d").alias("month")).agg(F.sum("n").alias("n")).orderBy("month"))
    yield ordered(data.groupBy(F.date_format("d", "yyyy-MM").alias("m")).count().orderBy(F.desc("m")))
