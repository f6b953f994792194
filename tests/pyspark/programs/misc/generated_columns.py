"""monotonically_increasing_id is unique and grows; uuid is as long as it should be."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.range(30).withColumn("n", F.monotonically_increasing_id())
    yield data.select("n").distinct().count()
    numbers = [row.n for row in data.orderBy("id").collect()]
    yield numbers == sorted(numbers)
    yield data.select(F.length(F.uuid()).alias("length")).distinct()
