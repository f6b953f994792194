"""A function that is not there, and one with too many arguments."""

from outcomes import raised


def program(spark):
    yield raised(lambda: spark.sql("SELECT no_such_function(1)").schema)
    yield raised(lambda: spark.range(1).selectExpr("upper('a', 'b')").schema)
    spark.range(1).selectExpr("sqrt()").schema
