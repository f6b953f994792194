"""from_utc_timestamp and to_utc_timestamp, across a change of the clocks."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(datetime.datetime(2024, 1, 15, 12),), (datetime.datetime(2024, 7, 15, 12),)], ["t"])
    yield data.select(
        F.from_utc_timestamp("t", "America/New_York").alias("there"),
        F.to_utc_timestamp("t", "Europe/Berlin").alias("utc"),
    )
