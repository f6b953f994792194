"""A Parquet file is read back with the types it was written with."""

import datetime


def program(spark, path):
    rows = [(1, "a", 1.5, datetime.date(2024, 1, 31)), (2, None, None, None)]
    spark.createDataFrame(rows, "i int, s string, d double, day date").write.parquet(f"{path}/data")
    yield spark.read.parquet(f"{path}/data")
