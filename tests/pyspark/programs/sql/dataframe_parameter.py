"""A DataFrame named in braces is a table of the query."""


def program(spark):
    cities = spark.createDataFrame([("Oslo", 0.7), ("Rome", 2.8), ("Nice", 0.34)], ["city", "millions"])
    yield spark.sql("SELECT city FROM {cities} WHERE millions > {least}", cities=cities, least=0.5)
