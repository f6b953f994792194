"""regexp_replace, regexp_extract, regexp_extract_all and regexp_like."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("order 100-200",), ("none",)], ["s"])
    yield data.select(
        F.regexp_replace("s", r"(\d+)", "#").alias("replaced"),
        F.regexp_replace("s", r"(\d+)-(\d+)", "$2-$1").alias("swapped"),
        F.regexp_extract("s", r"(\d+)-(\d+)", 2).alias("second"),
        F.regexp_extract_all("s", F.lit(r"(\d+)"), F.lit(1)).alias("all"),
        F.regexp_like("s", F.lit(r"\d{3}")).alias("has"),
    )
