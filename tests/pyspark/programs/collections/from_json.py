"""from_json with a schema, get_json_object and schema_of_json."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([('{"a": 1, "b": {"c": [1, 2]}}',), ("not json",), (None,)], ["s"])
    yield data.select(F.from_json("s", "a INT, b STRUCT<c: ARRAY<INT>>").alias("parsed"))
    yield data.select(
        F.from_json("s", "a INT").getField("a").alias("a"), F.get_json_object("s", "$.b.c[1]").alias("second")
    )
    yield spark.range(1).select(F.schema_of_json('{"n": 1, "l": ["x"]}').alias("schema"))
    yield spark.range(1).select(
        F.from_json(F.lit('{"k": 2}'), "map<string,int>").alias("m"),
        F.from_json(F.lit("[1,2]"), "array<int>").alias("l"),
    )
