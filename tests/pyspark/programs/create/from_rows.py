"""createDataFrame from Row objects takes their names."""

import datetime

from pyspark.sql import Row


def program(spark):
    yield spark.createDataFrame(
        [
            Row(a=1, b=2.0, c="s1", d=datetime.date(2000, 1, 1), e=datetime.datetime(2000, 1, 1, 12, 0)),
            Row(a=2, b=3.0, c="s2", d=datetime.date(2000, 2, 1), e=datetime.datetime(2000, 1, 2, 12, 0)),
        ]
    )
