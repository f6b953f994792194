"""spark.range with an end, a start, and a step."""


def program(spark):
    yield spark.range(3)
    yield spark.range(2, 5)
    yield spark.range(10, 0, -4)
    yield spark.range(0, 7, 3, numPartitions=2)
    yield spark.range(5, 5).count()
