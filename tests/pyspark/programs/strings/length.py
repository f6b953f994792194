"""length counts characters, octet_length bytes."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("naïve",), ("",), (None,)], ["s"])
    yield data.select(F.length("s"), F.char_length("s").alias("characters"), F.octet_length("s"), F.bit_length("s"))
