"""explode of a map makes a key and a value, and inline rows of structs."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame(
        [(1, {"x": 1.5, "y": 2.5}, [(1, "p"), (2, "q")])],
        "id int, m map<string,double>, s array<struct<n:int,t:string>>",
    )
    yield data.select("id", F.explode("m"))
    yield data.select(F.explode("m").alias("key", "value"))
    yield data.select(F.inline("s"))
