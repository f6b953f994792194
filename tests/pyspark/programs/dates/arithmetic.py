"""Adding days and months, and the distance of two dates."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    rows = [(datetime.date(2024, 1, 31), datetime.date(2024, 3, 1))]
    data = spark.createDataFrame(rows, "a date, b date")
    yield data.select(F.date_add("a", 1), F.date_sub("a", 31), F.add_months("a", 1), F.datediff("b", "a"))
    yield data.select(F.months_between("b", "a"), F.next_day("a", "Mon"), (data.a + 2).alias("later"))
