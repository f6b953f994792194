"""date_format with the usual patterns."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(datetime.datetime(2024, 3, 5, 15, 4, 5),)], ["t"])
    for pattern in ("yyyy-MM-dd", "dd/MM/yy HH:mm:ss", "EEE d MMM", "h:mm a", "yyyyMMdd", "EEEE", "MMMM"):
        yield data.select(F.date_format("t", pattern).alias("text"))
