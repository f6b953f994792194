"""abs, signum, negative, pmod and mod."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(-7, 3), (7, -3), (0, 5)], "a int, b int")
    yield data.select(
        F.abs("a"), F.signum("a"), F.negative("a"), F.pmod("a", "b"), (F.col("a") % F.col("b")).alias("rest")
    )
