"""split by a regular expression, with a limit; split_part counts from one."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("one,two;three",), ("",), (None,)], ["s"])
    yield data.select(F.split("s", "[,;]").alias("parts"))
    yield data.select(F.split("s", "[,;]", 2).alias("two"), F.split("s", ",").getItem(0).alias("first"))
    yield data.select(F.split_part("s", F.lit(","), F.lit(2)).alias("second"))
