"""when chains, with otherwise and without."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(95,), (70,), (40,), (None,)], "score int")
    yield data.withColumn("grade", F.when(data.score >= 90, "A").when(data.score >= 60, "B").otherwise("C"))
    yield data.select("score", F.when(F.col("score") > 50, 1).alias("passed"))
