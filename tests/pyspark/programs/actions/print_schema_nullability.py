"""printSchema says what may be null."""

from pyspark.sql import functions as F

from outcomes import printed


def program(spark):
    yield printed(spark.range(1).withColumn("twice", F.col("id") * 2).withColumn("s", F.lit("x")).printSchema)
    yield printed(spark.range(1).select(F.struct("id").alias("s"), F.array("id").alias("l")).printSchema)
