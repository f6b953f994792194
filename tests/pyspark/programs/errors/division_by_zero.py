"""Division by zero is an error, for integers, doubles and remainders."""

from pyspark.sql import functions as F

from outcomes import raised


def program(spark):
    data = spark.createDataFrame([(1, 0, 0.0)], "a int, b int, x double")
    yield raised(lambda: data.select(data.a / data.b).collect())
    yield raised(lambda: data.select(data.a / data.x).collect())
    yield raised(lambda: data.select(data.a % data.b).collect())
    data.select(F.expr("a DIV b")).collect()
