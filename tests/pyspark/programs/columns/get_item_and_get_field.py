"""Elements of arrays, maps and structs in all the ways there are."""

from pyspark.sql import functions as F


def program(spark):
    schema = "l array<int>, m map<string,int>, s struct<x:int,y:struct<z:string>>"
    data = spark.createDataFrame([([10, 20], {"k": 7}, (1, ("deep",)))], schema)
    yield data.select(data.l[0].alias("first"), data.l.getItem(1).alias("second"), data.m["k"].alias("k"))
    yield data.select(data.m.getItem("absent").alias("absent"), data.s.getField("x").alias("x"))
    yield data.select("s.x", F.col("s.y.z"), data.s.y.z.alias("z"))
    yield data.select("s.*")
