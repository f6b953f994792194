"""A column is named by text, as an attribute, in brackets and with F.col."""

from pyspark.sql import functions as F


def program(spark):
    people = spark.createDataFrame([("Ola", 30, 1.7), ("Per", 25, 1.8)], ["name", "age", "height"])
    yield people.select("name", people.age, people["height"], F.col("age"))
    yield people.select("*")
    yield people.select(["name", "height"])
    yield people.select(people.name, (people.age + 1).alias("next_age"))
