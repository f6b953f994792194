"""A table that is not there, in spark.table and in SQL."""

from outcomes import raised


def program(spark):
    yield raised(lambda: spark.table("no_such_table").collect())
    yield raised(lambda: spark.sql("SELECT * FROM no_such_schema.no_such_table").schema)
    spark.sql("DROP VIEW no_such_view")
