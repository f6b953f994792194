"""A table joined with itself under two names."""

from pyspark.sql import functions as F


def program(spark):
    staff = spark.createDataFrame(
        [(1, "Ann", None), (2, "Bob", 1), (3, "Cat", 1), (4, "Dan", 2)], "id int, name string, boss int"
    )
    worker, boss = staff.alias("worker"), staff.alias("boss")
    joined = worker.join(boss, F.col("worker.boss") == F.col("boss.id"), "left")
    yield joined.select(F.col("worker.name").alias("name"), F.col("boss.name").alias("boss"))
