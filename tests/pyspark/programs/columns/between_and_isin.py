"""between includes both ends; isin takes values or a list."""


def program(spark):
    data = spark.createDataFrame([(n, word) for n, word in enumerate(["a", "b", "c", None, "e"])], "n int, s string")
    yield data.filter(data.n.between(1, 3))
    yield data.filter(data.s.isin("a", "e"))
    yield data.filter(~data.n.isin([0, 1, 2]))
    yield data.select(data.s.isin("a").alias("is_a"))
