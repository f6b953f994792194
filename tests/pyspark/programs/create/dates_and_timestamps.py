"""Dates, timestamps, timestamps without a zone, and durations."""

import datetime


def program(spark):
    at = datetime.datetime(2024, 6, 30, 23, 59, 59, 123456)
    yield spark.createDataFrame([(datetime.date(1969, 12, 31), at)], ["day", "at"])
    yield spark.createDataFrame([(at, at)], "zoned timestamp, local timestamp_ntz")
    yield spark.createDataFrame([(datetime.timedelta(days=1, seconds=30),)], ["took"])
