"""A date that does not fit its pattern, and a pattern that is none."""

from pyspark.sql import functions as F

from outcomes import raised


def program(spark):
    data = spark.createDataFrame([("2024-13-45",)], ["s"])
    yield raised(lambda: data.select(F.to_date("s", "yyyy-MM-dd")).collect())
    yield raised(lambda: data.select(F.to_timestamp("s")).collect())
    yield raised(lambda: data.select(F.regexp_replace("s", "(", "x")).collect())
