"""A DataFrame that was cached on top of another one keeps its rows when that is unpersisted."""

import os

import pyarrow
import pyarrow.parquet


def program(spark, path):
    files = f"{path}/numbers"
    os.makedirs(files)

    def write(numbers):
        pyarrow.parquet.write_table(pyarrow.table({"n": numbers}), f"{files}/part.parquet")

    write([1, 2, 3, 4])
    below = spark.read.parquet(files).cache()
    above = below.filter("n % 2 = 0").cache()
    yield above
    write([10, 20, 30, 40])
    yield below
    below.unpersist(True)
    yield below.is_cached, above.is_cached
    yield above
    above.unpersist(True)
    yield below.is_cached, above.is_cached
