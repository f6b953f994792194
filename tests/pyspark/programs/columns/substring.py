"""substr counts from one, and a slice does the same."""


def program(spark):
    words = spark.createDataFrame([("abcdef",), ("xy",)], ["w"])
    yield words.select(
        words.w.substr(2, 3).alias("middle"), words.w[1:2].alias("slice"), words.w.substr(-2, 2).alias("end")
    )
