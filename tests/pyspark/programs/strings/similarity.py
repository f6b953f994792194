"""levenshtein and soundex."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("kitten", "sitting"), ("Robert", "Rupert"), ("", "abc")], ["a", "b"])
    yield data.select(F.levenshtein("a", "b").alias("distance"), F.soundex("a").alias("a"), F.soundex("b").alias("b"))
