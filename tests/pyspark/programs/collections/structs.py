"""struct and named_struct, and sorting by a struct."""

from pyspark.sql import functions as F

from outcomes import ordered


def program(spark):
    data = spark.createDataFrame([("b", 1), ("a", 2), ("a", 1)], ["k", "n"])
    yield data.select(F.struct("k", "n").alias("s"), F.struct((data.n * 2).alias("twice")).alias("t"))
    yield data.select(F.named_struct(F.lit("x"), "k", F.lit("y"), F.lit(0)).alias("s")).select("s.x", "s.y")
    yield ordered(data.select(F.struct("k", "n").alias("s")).orderBy("s"))
    yield data.agg(F.max(F.struct("k", "n")).alias("most"))
