"""ascii, chr, base64, hex and encodings."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("Spark",)], ["s"])
    yield data.select(
        F.ascii("s").alias("ascii"),
        F.chr(F.lit(65)).alias("chr"),
        F.base64(F.encode("s", "UTF-8")).alias("base64"),
        F.hex("s").alias("hex"),
        F.decode(F.unhex(F.lit("4142")), "UTF-8").alias("unhex"),
    )
