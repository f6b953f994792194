"""What null does in comparisons, logic, arithmetic and aggregates."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(None, True), (1, None), (2, False)], "n int, b boolean")
    yield data.select((data.n + 1).alias("sum"), (data.n > 1).alias("above"), (data.b & (data.n > 1)).alias("both"))
    yield data.filter(data.n != 1)
    yield data.agg(F.count("n"), F.avg("n"), F.count("*"))
    yield data.select(
        F.concat(F.col("n").cast("string"), F.lit("!")).alias("text"), F.greatest("n", F.lit(0)).alias("most")
    )
