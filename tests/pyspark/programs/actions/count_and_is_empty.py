"""count and isEmpty."""


def program(spark):
    data = spark.range(1000)
    yield data.count()
    yield data.filter("id % 7 = 0").count()
    yield data.isEmpty()
    yield data.filter("id < 0").isEmpty()
