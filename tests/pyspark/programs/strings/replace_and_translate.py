"""replace, translate and overlay."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("banana",)], ["s"])
    yield data.select(
        F.replace("s", F.lit("an"), F.lit("AN")).alias("replace"),
        F.translate("s", "abn", "xy").alias("translate"),
        F.overlay("s", F.lit("__"), 2, 3).alias("overlay"),
        F.reverse("s").alias("reverse"),
    )
