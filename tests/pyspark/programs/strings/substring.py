"""substring, left, right and substring_index."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("www.example.org",)], ["s"])
    yield data.select(
        F.substring("s", 5, 7).alias("middle"),
        F.left("s", F.lit(3)).alias("left"),
        F.right("s", F.lit(3)).alias("right"),
        F.substring_index("s", ".", 2).alias("before"),
        F.substring_index("s", ".", -1).alias("after"),
        F.substring("s", -3, 2).alias("from_end"),
    )
