"""A name with a dot or a blank needs backquotes; case does not matter."""


def program(spark):
    data = spark.createDataFrame([(1, 2, 3)], ["a.b", "two words", "Mixed"])
    yield data.select("`a.b`", "two words", "mixed")
    yield data.selectExpr("`two words` + 1 AS next", "MIXED")
