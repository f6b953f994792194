"""What the client itself refuses."""

from pyspark.sql import functions as F

from outcomes import raised


def program(spark):
    data = spark.range(3)
    yield raised(lambda: data.select(F.lit(object())))
    yield raised(lambda: bool(F.col("id") > 1))
    yield raised(lambda: data.join(data, "id", "sideways").collect())
    yield raised(lambda: data.fillna([1]))
    yield raised(lambda: spark.createDataFrame([], ["a"]))
