"""nanvl and isnan: NaN is a value and not a null."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1.0, 9.0), (float("nan"), 2.0), (None, 3.0)], "a double, b double")
    yield data.select(F.nanvl("a", "b").alias("either"), F.isnan("a").alias("nan"), F.isnull("a").alias("null"))
    yield data.filter(data.a == float("nan"))
