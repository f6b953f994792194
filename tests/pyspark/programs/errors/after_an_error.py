"""A session goes on after an error."""

from outcomes import raised


def program(spark):
    for _ in range(3):
        yield raised(lambda: spark.sql("SELECT missing").collect())
    yield spark.range(2)
