"""SHOW TABLES, DESCRIBE and SHOW COLUMNS of a temporary view."""


def program(spark):
    spark.createDataFrame([(1, "a")], "n int, s string").createOrReplaceTempView("v")
    yield spark.sql("SHOW TABLES")
    yield spark.sql("DESCRIBE v")
    yield spark.sql("SELECT current_catalog() AS catalog, current_schema() AS schema")
