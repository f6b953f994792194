"""agg with several expressions and aliases."""

from pyspark.sql import functions as F


def program(spark):
    sales = spark.createDataFrame([("n", 1, 4.0), ("n", 2, 6.0), ("s", 5, 1.0)], "region string, n int, price double")
    yield sales.groupBy("region").agg(
        F.count("*").alias("rows"),
        F.sum(sales.n * sales.price).alias("revenue"),
        F.max("price"),
        (F.sum("n") / F.count("n")).alias("mean"),
    )
