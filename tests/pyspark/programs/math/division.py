"""Division of integers and decimals, whole division, and try_divide."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(7, 2), (1, 0)], "a int, b int")
    yield data.filter("b != 0").select((data.a / data.b).alias("quotient"), F.expr("a DIV b").alias("whole"))
    yield data.select(F.try_divide("a", "b").alias("quotient"))
    yield spark.sql(
        "SELECT 1.0 / 3 AS third, CAST(10 AS DECIMAL(10,2)) / CAST(4 AS DECIMAL(5,1)) AS quotient, 7.0 % 2.5 AS rest"
    )
