"""LATERAL VIEW explode makes a row of every element."""


def program(spark):
    spark.createDataFrame([("a", [1, 2]), ("b", [])], "k string, v array<int>").createOrReplaceTempView("t")
    yield spark.sql("SELECT k, item FROM t LATERAL VIEW explode(v) AS item")
    yield spark.sql("SELECT k, item FROM t LATERAL VIEW OUTER explode(v) AS item")
