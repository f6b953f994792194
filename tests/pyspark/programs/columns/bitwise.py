"""Bitwise and, or, xor, not and shifts."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(12, 10)], "a int, b int")
    yield data.select(
        data.a.bitwiseAND(data.b).alias("conjunction"),
        data.a.bitwiseOR(data.b).alias("disjunction"),
        data.a.bitwiseXOR(data.b).alias("difference"),
        F.bitwise_not("a").alias("complement"),
        F.shiftleft("a", 2).alias("left"),
        F.shiftright("a", 1).alias("right"),
    )
