"""INSERT OVERWRITE DIRECTORY writes when it is called, and replaces what was there."""

from outcomes import raised


def program(spark, path):
    data = f"{path}/data"
    write = f"INSERT OVERWRITE DIRECTORY '{data}' USING parquet"
    done = spark.sql(f"{write} SELECT id, id * 2 AS twice FROM range(3)")
    yield done.columns, done.collect()
    yield sorted(spark.read.parquet(data).collect())
    spark.sql(f"INSERT OVERWRITE DIRECTORY USING csv OPTIONS (path '{data}', header 'true') VALUES (1, 'a')")
    yield spark.read.option("header", True).csv(data).collect()
    yield raised(lambda: spark.sql(f"INSERT OVERWRITE DIRECTORY '{data}' USING csv SELECT nope"))
    yield spark.read.option("header", True).csv(data).count()
