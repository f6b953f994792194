"""Without ANSI mode, what would fail gives null."""


def program(spark):
    yield spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", False)
    yield spark.sql("SELECT CAST('x' AS INT) AS n, 1 / 0 AS quotient, array(1, 2)[5] AS element")
