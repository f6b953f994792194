"""take, first, head and tail of a sorted DataFrame."""


def program(spark):
    data = spark.createDataFrame([(3,), (1,), (2,)], ["n"]).orderBy("n")
    yield data.take(2)
    yield data.first()
    yield data.head()
    yield data.head(2)
    yield data.tail(2)
    yield data.filter("n > 5").first()
