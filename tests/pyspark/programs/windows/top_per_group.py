"""The two best of each group."""

from pyspark.sql import Window
from pyspark.sql import functions as F


def program(spark):
    scores = spark.createDataFrame(
        [("x", "p", 9), ("x", "q", 7), ("x", "r", 8), ("y", "s", 1)], ["team", "name", "points"]
    )
    best = Window.partitionBy("team").orderBy(F.col("points").desc())
    yield scores.withColumn("place", F.rank().over(best)).where(F.col("place") <= 2).select("team", "name", "place")
