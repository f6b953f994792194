"""The current date and time are of today and the same within a query."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    row = (
        spark.range(1).select(F.current_date().alias("d"), F.current_timestamp().alias("t"), F.now().alias("n")).first()
    )
    yield abs((row.d - datetime.datetime.now(datetime.timezone.utc).date()).days) <= 1
    yield row.t == row.n
    yield spark.range(1).select(F.current_date(), F.current_timestamp()).dtypes
