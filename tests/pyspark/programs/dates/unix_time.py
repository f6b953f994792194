"""unix_timestamp, from_unixtime and timestamp_seconds."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("2024-01-01 00:00:00", 86400)], ["s", "n"])
    yield data.select(F.unix_timestamp("s").alias("seconds"), F.from_unixtime("n").alias("text"))
    yield data.select(
        F.unix_timestamp("s", "yyyy-MM-dd HH:mm:ss").alias("same"), F.from_unixtime("n", "dd.MM.yyyy").alias("text")
    )
    yield data.select(F.timestamp_seconds("n").alias("time"), F.unix_date(F.to_date("s")).alias("days"))
