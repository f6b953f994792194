"""repartition and coalesce keep the rows."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.range(20)
    yield data.repartition(4).count()
    yield data.repartition(3, "id").agg(F.sum("id"))
    yield data.repartition("id").filter("id > 17")
    yield data.coalesce(1).select(F.spark_partition_id().alias("partition")).distinct()
