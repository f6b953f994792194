"""Elements of arrays past the end."""

from pyspark.sql import functions as F

from outcomes import raised


def program(spark):
    data = spark.createDataFrame([([1, 2],)], "l array<int>")
    yield raised(lambda: data.select(data.l[5]).collect())
    yield raised(lambda: data.select(F.element_at("l", 3)).collect())
    data.select(F.element_at("l", 0)).collect()
