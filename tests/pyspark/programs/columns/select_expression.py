"""selectExpr and F.expr take SQL."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("ab", 3), ("c", 4)], "s string, n int")
    yield data.selectExpr("upper(s) AS loud", "n * n AS square", "n > 3")
    yield data.select("s", F.expr("CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END AS parity"))
