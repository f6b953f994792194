"""sqrt, cbrt, pow, exp and logarithms."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(8.0,), (0.25,)], ["x"])
    yield data.select(F.sqrt("x"), F.cbrt("x"), F.pow("x", F.lit(2)), F.exp("x"))
    yield data.select(F.log("x"), F.log2("x"), F.log10("x"), F.log(2.0, "x").alias("base_two"), F.log1p("x"))
