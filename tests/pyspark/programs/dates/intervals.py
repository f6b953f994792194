"""Intervals in SQL, and the difference of two timestamps."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    rows = [(datetime.datetime(2024, 1, 31, 12), datetime.datetime(2024, 2, 2, 13, 30))]
    data = spark.createDataFrame(rows, ["a", "b"])
    yield data.selectExpr(
        "a + INTERVAL 1 MONTH AS month", "a - INTERVAL '2' HOUR AS hours", "a + INTERVAL 1 DAY AS day"
    )
    yield data.select((data.b - data.a).alias("difference"))
    yield data.select((F.col("a") + F.expr("INTERVAL 90 MINUTES")).alias("later"))
