"""A scalar subquery with several rows or several columns."""

from outcomes import raised


def program(spark):
    yield raised(lambda: spark.sql("SELECT (SELECT id FROM range(2)) AS n").collect())
    spark.sql("SELECT (SELECT 1, 2) AS n").schema
