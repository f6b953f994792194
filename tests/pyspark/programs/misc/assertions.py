"""assert_true passes what is true; raise_error ends a query."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.range(3)
    yield data.select(F.assert_true(data.id < 10).alias("nothing"))
    yield data.select(F.raise_error(F.lit("enough"))).collect()
