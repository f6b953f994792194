"""A word count."""

from pyspark.sql import functions as F

from outcomes import ordered


def program(spark):
    lines = spark.createDataFrame([("to be or not",), ("not to be",)], ["line"])
    words = lines.select(F.explode(F.split("line", " ")).alias("word"))
    yield ordered(words.groupBy("word").count().orderBy(F.desc("count"), "word"))
