"""schema, dtypes, columns and printSchema."""

from outcomes import printed


def program(spark):
    data = spark.createDataFrame(
        [(1, "a", [1.5], {"k": (1, True)})], "n int, s string, l array<double>, m map<string,struct<x:int,y:boolean>>"
    )
    yield data.columns
    yield data.dtypes
    yield data.schema.simpleString()
    yield printed(data.printSchema)
    yield printed(data.printSchema, 1)
    yield data.schema["n"].dataType.simpleString()
