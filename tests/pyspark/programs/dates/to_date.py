"""to_date from text, with a pattern and without."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("2024-07-04", "04.07.2024"), (None, None)], "iso string, german string")
    yield data.select(F.to_date("iso").alias("iso"), F.to_date("german", "dd.MM.yyyy").alias("german"))
    yield data.select(F.to_date(F.to_timestamp("iso")).alias("day"), F.try_to_date(F.lit("no day")).alias("none"))
