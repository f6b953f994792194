"""createDataFrame from a pandas DataFrame."""

import pandas


def program(spark):
    frame = pandas.DataFrame({"n": [1, 2, 3], "x": [0.5, None, 2.5], "flag": [True, False, True]})
    yield spark.createDataFrame(frame)
    yield spark.createDataFrame(pandas.DataFrame({"s": ["a", "b"], "n": [1, 2]}), schema="s string, n int")
