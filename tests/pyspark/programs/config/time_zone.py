"""The time zone of the session decides what a timestamp looks like as text."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.range(1).select(F.timestamp_seconds(F.lit(0)).alias("t"))
    yield data.select(F.col("t").cast("string").alias("text"), F.hour("t").alias("hour"))
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    yield data.select(F.col("t").cast("string").alias("text"), F.hour("t").alias("hour"))
    yield spark.conf.get("spark.sql.session.timeZone")
