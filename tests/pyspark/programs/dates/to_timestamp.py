"""to_timestamp from text, with a pattern and with a zone."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame(
        [("2024-07-04 01:02:03.5", "07/04/24 13:30", "2024-07-04T00:00:00+02:00")], ["a", "b", "c"]
    )
    yield data.select(
        F.to_timestamp("a").alias("a"), F.to_timestamp("b", "MM/dd/yy HH:mm").alias("b"), F.to_timestamp("c").alias("c")
    )
    yield data.select(F.to_timestamp_ntz("a").alias("ntz"), F.try_to_timestamp(F.lit("nonsense")).alias("none"))
