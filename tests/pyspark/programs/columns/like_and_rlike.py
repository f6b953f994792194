"""like, ilike and rlike, and SQL's LIKE with an escape."""


def program(spark):
    words = spark.createDataFrame([("apple",), ("Apricot",), ("50%",), ("banana",)], ["w"])
    yield words.filter(words.w.like("a%"))
    yield words.filter(words.w.ilike("AP%"))
    yield words.filter(words.w.rlike("an.n"))
    yield words.filter("w LIKE '%\\%'")
