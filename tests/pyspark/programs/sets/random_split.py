"""The parts of a random split add up to the whole."""


def program(spark):
    parts = spark.range(100).randomSplit([0.7, 0.3], seed=11)
    yield len(parts)
    yield sum(part.count() for part in parts)
    yield parts[0].union(parts[1]).distinct().count()
