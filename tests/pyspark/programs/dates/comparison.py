"""Dates compare with text, with each other, and with timestamps."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(datetime.date(2024, 1, d),) for d in (1, 2, 3)], ["d"])
    yield data.filter(data.d >= "2024-01-02")
    yield data.filter(data.d == datetime.date(2024, 1, 1))
    yield data.filter(F.col("d").between(datetime.date(2024, 1, 2), datetime.date(2024, 1, 3)))
    yield data.filter("d < TIMESTAMP '2024-01-02 00:00:01'").count()
