"""A file is queried in SQL by its format and path, and through a view over it."""


def program(spark, path):
    spark.range(4).write.parquet(f"{path}/numbers")
    yield spark.sql(f"SELECT id + 1 AS next FROM parquet.`{path}/numbers`")
    spark.sql(f"CREATE TEMPORARY VIEW numbers USING parquet OPTIONS (path '{path}/numbers')")
    yield spark.sql("SELECT max(id) AS greatest FROM numbers")
