"""bin, hex, conv and factorial."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(10,), (255,)], ["n"])
    yield data.select(F.bin("n"), F.hex("n"), F.conv(F.col("n").cast("string"), 10, 36).alias("base36"))
    yield spark.range(4).select(F.factorial("id").alias("factorial"))
