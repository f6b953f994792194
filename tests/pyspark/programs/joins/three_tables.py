"""A chain of joins, then a group by."""

from pyspark.sql import functions as F


def program(spark):
    orders = spark.createDataFrame([(1, 1, 2), (2, 1, 1), (3, 2, 5)], ["order", "customer", "n"])
    customers = spark.createDataFrame([(1, 7), (2, 8)], ["customer", "city"])
    cities = spark.createDataFrame([(7, "Turin"), (8, "Ghent")], ["city", "name"])
    joined = orders.join(customers, "customer").join(cities, "city")
    yield joined
    yield joined.groupBy("name").agg(F.sum("n").alias("n"))
