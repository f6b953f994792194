"""VALUES as a table with named columns."""


def program(spark):
    yield spark.sql("SELECT * FROM VALUES (1, 'one'), (2, 'two'), (NULL, 'none') AS t(n, word)")
    yield spark.sql("SELECT word FROM VALUES (1, 'one'), (2, 'two') AS t(n, word) WHERE n = 2")
