"""The order of strings, booleans and doubles with NaN."""

from outcomes import ordered


def program(spark):
    yield ordered(spark.createDataFrame([("b",), ("B",), ("a",), ("é",), ("",), ("10",), ("9",)], ["s"]).sort("s"))
    yield ordered(spark.createDataFrame([(1.5,), (float("nan"),), (float("inf"),), (-2.0,)], ["d"]).sort("d"))
    yield ordered(spark.createDataFrame([(True,), (False,), (None,)], "b boolean").sort("b"))
