"""OVER in SQL, with a named window."""


def program(spark):
    spark.createDataFrame([("a", 1), ("a", 2), ("b", 3)], ["k", "v"]).createOrReplaceTempView("t")
    yield spark.sql("SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS n FROM t")
    yield spark.sql("SELECT k, sum(v) OVER w AS total, max(v) OVER w AS most FROM t WINDOW w AS (PARTITION BY k)")
