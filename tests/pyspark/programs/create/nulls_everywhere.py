"""Nulls in columns of every common type."""


def program(spark):
    schema = "a boolean, b tinyint, c smallint, d int, e bigint, f float, g double, h string, i binary, j date"
    yield spark.createDataFrame([tuple([None] * 10), (True, 1, 2, 3, 4, 0.5, 0.25, "s", b"\x01\xff", None)], schema)
