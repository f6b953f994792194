"""corr, cov, approxQuantile, crosstab and freqItems."""


def program(spark):
    data = spark.createDataFrame([(1, 2.0, "a"), (2, 4.5, "b"), (3, 5.5, "a"), (4, 9.0, "a")], ["n", "x", "k"])
    yield data.corr("n", "x")
    yield data.cov("n", "x")
    yield data.approxQuantile("n", [0.0, 0.5, 1.0], 0.0)
    yield data.crosstab("k", "n").select("k_n", "1", "2", "3", "4")
