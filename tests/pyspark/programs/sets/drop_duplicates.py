"""dropDuplicates of whole rows and of a subset of columns."""


def program(spark):
    data = spark.createDataFrame([("a", 1, 10), ("a", 1, 10), ("b", 1, 20), ("b", 2, 20)], ["k", "n", "v"])
    yield data.dropDuplicates()
    yield data.drop_duplicates(["k"]).select("k", "v")
    yield data.dropDuplicates(["n", "v"]).count()
