"""toPandas of columns with nulls, dates and lists."""

import datetime


def program(spark):
    rows = [(1, None, datetime.date(2024, 1, 1), [1, 2]), (2, 2.5, None, None)]
    frame = spark.createDataFrame(rows, "n int, d double, day date, l array<int>").orderBy("n").toPandas()
    yield frame["d"].isna().tolist()
    yield frame["day"].iloc[0]
    yield [int(n) for n in frame["l"].iloc[0]]
