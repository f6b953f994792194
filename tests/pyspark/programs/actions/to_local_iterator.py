"""toLocalIterator goes over the rows, and over many of them."""


def program(spark):
    yield [row.id for row in spark.range(3).orderBy("id").toLocalIterator()]
    yield sum(row.id for row in spark.range(20000).toLocalIterator(prefetchPartitions=True))
