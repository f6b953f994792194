"""GROUP BY, HAVING, ORDER BY and LIMIT in one query."""

from outcomes import ordered


def program(spark):
    rows = [("x", 1), ("x", 2), ("y", 9), ("z", 4), ("z", 4), ("z", None)]
    spark.createDataFrame(rows, "k string, v int").createOrReplaceTempView("t")
    yield ordered(
        spark.sql("SELECT k, count(*) AS n, sum(v) AS total FROM t GROUP BY k HAVING count(*) > 1 ORDER BY total DESC")
    )
    yield ordered(spark.sql("SELECT k, v FROM t ORDER BY v DESC NULLS FIRST, k LIMIT 3"))
