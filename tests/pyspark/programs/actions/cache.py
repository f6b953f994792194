"""cache, persist and unpersist leave the answers as they were."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.range(10).withColumn("k", F.col("id") % 2).cache()
    yield data.count()
    yield data.groupBy("k").count()
    data.unpersist()
    yield data.count()
    kept = data.filter("id > 7").persist()
    yield kept
    yield kept.unpersist().count()
