"""startswith, endswith and contains with text and with columns."""


def program(spark):
    words = spark.createDataFrame([("sunset", "sun"), ("moonlight", "light"), (None, "x")], ["w", "part"])
    yield words.filter(words.w.startswith("su"))
    yield words.filter(words.w.endswith(words.part))
    yield words.select(words.w.contains("oo").alias("oo"), words.w.contains(words.part).alias("has_part"))
