"""How show writes dates, timestamps, decimals, booleans, arrays, maps and structs."""

import datetime
from decimal import Decimal

from outcomes import printed


def program(spark):
    schema = "day date, at timestamp, m decimal(6,2), b boolean, l array<int>, s struct<x:int,y:string>"
    row = (
        datetime.date(2024, 1, 2),
        datetime.datetime(2024, 1, 2, 3, 4, 5),
        Decimal("1.5"),
        True,
        [1, None],
        (1, "z"),
        {"a": 1},
        1e10,
    )
    data = spark.createDataFrame([row], f"{schema}, k map<string,int>, d double")
    yield printed(data.show, truncate=False)
