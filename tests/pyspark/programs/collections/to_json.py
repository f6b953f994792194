"""to_json of structs, maps and arrays, without null fields."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, "a", datetime.date(2024, 1, 2)), (2, None, None)], "n int, s string, d date")
    yield data.select(F.to_json(F.struct("n", "s", "d")).alias("json"))
    yield data.select(
        F.to_json(F.create_map(F.lit("k"), "n")).alias("map"), F.to_json(F.array("n", F.lit(7))).alias("list")
    )
