"""collect_list and collect_set, sorted, without nulls."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 3), ("a", 1), ("a", 3), ("b", None)], "k string, v int")
    yield data.groupBy("k").agg(
        F.sort_array(F.collect_list("v")).alias("all"), F.sort_array(F.collect_set("v")).alias("distinct")
    )
