"""Nested and decimal columns survive a Parquet file."""

import decimal


def program(spark, path):
    schema = "id int, price decimal(10,2), tags array<string>, at struct<x:int,y:int>, counts map<string,int>"
    rows = [(1, decimal.Decimal("12.50"), ["a", None], (1, 2), {"k": 1}), (2, None, None, None, None)]
    spark.createDataFrame(rows, schema).write.parquet(f"{path}/nested")
    yield spark.read.parquet(f"{path}/nested")
