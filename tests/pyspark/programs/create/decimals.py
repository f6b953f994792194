"""Decimals inferred and with a declared precision."""

from decimal import Decimal


def program(spark):
    yield spark.createDataFrame([(Decimal("1.10"),), (Decimal("-20"),)], ["amount"])
    yield spark.createDataFrame([(Decimal("1.10"),), (None,)], "amount decimal(6,3)")
