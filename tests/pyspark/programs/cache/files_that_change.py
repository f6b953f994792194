"""What was cached stays as it was, whatever becomes of the files, until it is refreshed or unpersisted."""

import os

import pyarrow
import pyarrow.parquet
from pyspark.sql import functions as F


def write(path, numbers):
    """The numbers as the only file in a directory, past the engine."""
    os.makedirs(path, exist_ok=True)
    table = pyarrow.table({"n": pyarrow.array(numbers, pyarrow.int64())})
    pyarrow.parquet.write_table(table, f"{path}/part.parquet")


def program(spark, path):
    files = f"{path}/numbers"
    write(files, [1, 2, 3])
    data = spark.read.parquet(files).cache()
    yield data
    write(files, [10, 20, 30, 40])
    yield data
    yield data.count()
    yield data.filter("n > 1").select((F.col("n") * 2).alias("twice"))
    yield data.agg(F.sum("n"), F.max("n"))
    yield data.join(spark.read.parquet(files).withColumnRenamed("n", "m"), F.col("n") == F.col("m"))
    yield spark.read.parquet(files)
    yield spark.read.parquet(f"{path}/num*").count()
    data.createOrReplaceTempView("numbers")
    yield spark.sql("SELECT count(*) AS count, sum(n) AS sum FROM numbers WHERE n >= 2")
    yield spark.sql("SELECT a.n FROM numbers a WHERE a.n IN (SELECT n + 1 FROM numbers)")

    spark.catalog.refreshByPath(files)
    yield data
    write(files, [5])
    yield data.count()
    spark.catalog.refreshTable("numbers")
    yield data
    write(files, [6, 7])
    yield data
    spark.sql("REFRESH TABLE numbers")
    yield data

    os.remove(f"{files}/part.parquet")
    yield data
    yield data.filter("n > 6").count()
    yield spark.table("numbers")
    write(files, [8, 9])
    yield data
    data.unpersist(True)
    spark.catalog.refreshByPath(files)
    yield spark.read.parquet(files)
