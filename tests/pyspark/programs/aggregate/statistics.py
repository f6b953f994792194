"""Standard deviation, variance, skewness and correlation."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1.0, 2.0), (2.0, 3.5), (4.0, 9.0), (8.0, 15.0)], ["x", "y"])
    yield data.agg(F.stddev("x"), F.stddev_pop("x"), F.variance("x"), F.var_pop("x"))
    yield data.agg(F.corr("x", "y"), F.covar_samp("x", "y"), F.covar_pop("x", "y"))
    yield data.agg(F.skewness("x"), F.kurtosis("x"))
    yield data.filter("x < 2").agg(F.stddev("x").alias("of_one"))
