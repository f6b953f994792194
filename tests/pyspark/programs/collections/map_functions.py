"""map_filter, transform_keys, transform_values and map_from_entries."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([({"a": 1, "b": 20},)], "m map<string,int>")
    yield data.select(F.map_filter("m", lambda k, v: v > 10).alias("large"))
    yield data.select(
        F.transform_values("m", lambda k, v: v + 1).alias("more"),
        F.transform_keys("m", lambda k, v: F.upper(k)).alias("loud"),
    )
    yield data.select(F.map_from_entries(F.array(F.struct(F.lit(1), F.lit("one")))).alias("entries"))
    yield data.select(F.str_to_map(F.lit("x:1,y:2"), F.lit(","), F.lit(":")).alias("parsed"))
