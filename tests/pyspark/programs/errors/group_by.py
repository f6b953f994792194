"""A column that is neither grouped nor aggregated, and an aggregate in WHERE."""

from outcomes import raised


def program(spark):
    spark.createDataFrame([("a", 1)], ["k", "v"]).createOrReplaceTempView("t")
    yield raised(lambda: spark.sql("SELECT k, v, count(*) FROM t GROUP BY k").schema)
    yield raised(lambda: spark.sql("SELECT k, count(*) FROM t").schema)
    yield raised(lambda: spark.sql("SELECT k FROM t WHERE count(*) > 1").schema)
    spark.sql("SELECT k, sum(count(v)) FROM t GROUP BY k").schema
