"""md5, sha1, sha2, crc32, hash and xxhash64."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("Spark", 3), ("", None)], "s string, n int")
    yield data.select(
        F.md5("s").alias("md5"), F.sha1("s").alias("sha1"), F.sha2("s", 256).alias("sha2"), F.crc32("s").alias("crc32")
    )
    yield data.select(F.hash("s", "n").alias("hash"), F.xxhash64("s").alias("xxhash64"))
