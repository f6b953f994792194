"""groupBy with count, sum, mean, min and max."""


def program(spark):
    sales = spark.createDataFrame(
        [("tea", 2, 1.5), ("tea", 3, 2.5), ("ale", 7, None)], "item string, n int, price double"
    )
    grouped = sales.groupBy("item")
    yield grouped.count()
    yield grouped.sum("n")
    yield grouped.mean("n", "price")
    yield grouped.min()
    yield grouped.max("price")
