"""Both sides come from one DataFrame, and their columns are told apart by side."""


def program(spark):
    data = spark.createDataFrame([(1, "a", 5), (2, "b", 7), (3, "a", 9)], ["id", "k", "v"])
    small = data.filter(data.v < 8)
    large = data.filter(data.v > 6)
    yield small.join(large, small.id == large.id).select(small.id, large.v)
    totals = data.groupBy("k").sum("v").withColumnRenamed("sum(v)", "total")
    yield data.join(totals, data.k == totals.k).select(data.id, totals.total)
