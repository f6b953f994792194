"""spark.sql evaluates a query without a table."""


def program(spark):
    yield spark.sql("SELECT 1 AS one, 'two' AS two, 3.5 AS three, true AS four, NULL AS five")
    yield spark.sql("SELECT 1 + 2 * 3 AS sum, 7 / 2 AS quotient, 7 DIV 2 AS whole, 7 % 2 AS rest")
